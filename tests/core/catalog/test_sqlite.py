import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from core.catalog import sqlite
from core.catalog.database import Database


class TestDriver:
    def test_is_new_enough(self) -> None:
        assert sqlite.driver().sqlite_version_info >= (3, 51, 3)

    def test_an_old_library_is_refused_with_versions_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import pysqlite3

        old = SimpleNamespace(sqlite_version_info=(3, 51, 2), sqlite_version="3.51.2", __name__="sqlite3")
        monkeypatch.setattr(sqlite, "sqlite3", old)
        monkeypatch.setattr(pysqlite3, "dbapi2", old)
        with pytest.raises(sqlite.UnsafeSQLite, match=r"3\.51\.3 or newer is needed, found sqlite3 3\.51\.2"):
            sqlite.driver()

    def test_the_standard_library_is_preferred_when_it_is_new_enough(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite, "SAFE", (3, 0, 0))
        assert sqlite.driver() is sqlite3


class TestConnection:
    @pytest.mark.parametrize(
        ("pragma", "value"),
        [("journal_mode", "wal"), ("foreign_keys", 1), ("busy_timeout", 5000), ("synchronous", 2)],
    )
    def test_pragmas_hold_on_every_connection(self, tmp_path: Path, pragma: str, value: object) -> None:
        database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
        with database.read() as session:
            assert session.scalar(text(f"PRAGMA {pragma}")) == value
        database.close()

    def test_a_writer_holds_the_lock_from_its_first_moment(self, tmp_path: Path) -> None:
        database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
        other = sqlite.driver().connect(tmp_path / "catalog.db", timeout=0)
        with database.write() as session:
            session.connection()
            with pytest.raises(sqlite.driver().OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")
        other.close()
        database.close()


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[tuple[Database, Any]]:
    """A database, and a connection of another that writes to it."""
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    with database.write() as session:
        session.execute(text("CREATE TABLE made (number)"))
    other = sqlite.driver().connect(tmp_path / "catalog.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield database, other
    other.close()
    database.close()


class TestBegin:
    def test_a_writer_looks_again_every_millisecond_until_others_are_done(
        self, taken: tuple[Database, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database, other = taken
        looks: list[float] = []

        def look(seconds: float) -> None:
            looks.append(seconds)
            if len(looks) == 3:
                other.execute("ROLLBACK")

        monkeypatch.setattr(sqlite.time, "sleep", look)
        with database.write() as session:
            session.execute(text("INSERT INTO made VALUES (1)"))
        assert looks == [0.001] * 3

    def test_one_that_waited_too_long_is_told_so_and_its_connection_waits_as_before(
        self, taken: tuple[Database, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database, other = taken
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)
        with pytest.raises(OperationalError, match="database is locked"), database.write() as session:
            session.connection()
        other.execute("ROLLBACK")
        with database.read() as session:
            assert session.scalar(text("PRAGMA busy_timeout")) == 5000


class TestOptimize:
    def test_tells_the_planner_how_large_tables_are(self, sqlite_url: str) -> None:
        database = Database(sqlite_url)
        database.optimize()
        with database.read() as session:
            known = session.execute(text("SELECT tbl, stat FROM sqlite_stat1")).all()
        assert ("projects", "1 1") in known
