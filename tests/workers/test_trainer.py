"""What ends an attempt, and what ends the job."""

import pytest

from core.catalog.artifacts import StoreAway
from workers.trainer import attempt


def broken_by(error: Exception) -> None:
    raise error


class TestAttempt:
    def test_a_store_that_is_away_ends_the_attempt_alone(self) -> None:
        with pytest.raises(StoreAway):
            attempt(lambda: broken_by(StoreAway("the object store: timed out")))

    def test_anything_else_that_breaks_it_is_its_failure(self) -> None:
        broken = attempt(lambda: broken_by(OSError("a disk")))
        assert broken is not None
        assert broken.failure.reason == "error"
