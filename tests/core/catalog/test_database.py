import pytest

from core.catalog.database import Database


class TestUrl:
    def test_another_database_is_refused_with_what_is_accepted(self) -> None:
        with pytest.raises(ValueError, match="accepted: sqlite, postgresql"):
            Database("mysql://localhost/x")
