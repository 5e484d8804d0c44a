from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.draws import Purpose, draw
from core.datasets.order import epoch_order
from core.jobs.recipes import steps_per_epoch


class TestEpochOrder:
    @given(st.integers(0, 2**63), st.integers(0, 10_000), st.integers(0, 300))
    def test_it_is_a_permutation(self, seed: int, epoch: int, n: int) -> None:
        assert sorted(epoch_order(seed, epoch, n).tolist()) == list(range(n))

    def test_it_is_a_function_of_seed_and_epoch(self) -> None:
        one = epoch_order(3, 7, 100)
        np.random.default_rng().random(10)
        epoch_order(7, 3, 100)
        np.testing.assert_array_equal(epoch_order(3, 7, 100), one)
        assert (epoch_order(3, 8, 100) != one).any()
        assert (epoch_order(4, 7, 100) != one).any()
        assert (epoch_order(7, 3, 100) != one).any()

    def test_it_never_changes(self) -> None:
        assert epoch_order(0, 0, 8).tolist() == [0, 2, 1, 5, 4, 3, 6, 7]

    def test_every_image_reaches_every_position_equally_often(self) -> None:
        counts = np.zeros((6, 6))
        for epoch in range(6000):
            counts[np.arange(6), epoch_order(1, epoch, 6)] += 1
        assert np.abs(counts - 1000).max() < 4.5 * np.sqrt(1000 * 5 / 6)

    def test_a_negative_seed_is_refused(self) -> None:
        with pytest.raises(OverflowError):
            epoch_order(-1, 0, 4)


class TestDraw:
    def test_purposes_share_no_numbers(self) -> None:
        draws = [draw(purpose, 5, 6, 1000) for purpose in Purpose]
        assert len(np.unique(np.concatenate(draws))) == 1000 * len(Purpose)


class TestStepsPerEpoch:
    @pytest.mark.parametrize(("n", "batch", "expected"), [(50_000, 128, 391), (256, 128, 2), (1, 128, 1)])
    def test_the_partial_batch_is_kept(self, n: int, batch: int, expected: int) -> None:
        assert steps_per_epoch(n, batch) == expected
