from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import func, select, text

from core.catalog import postgresql
from core.catalog.database import Database


class TestUrl:
    def test_another_database_is_refused_with_what_is_accepted(self) -> None:
        with pytest.raises(ValueError, match="accepted: sqlite, postgresql"):
            Database("mysql://localhost/x")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
class TestConnections:
    @pytest.fixture
    def database(self, database_url: str) -> Iterator[Database]:
        database = Database(database_url, retries=True)
        yield database
        database.close()

    def pid(self, database: Database) -> int:
        with database.read() as session:
            return session.scalars(text("SELECT pg_backend_pid()")).one()

    def test_one_that_was_used_just_now_is_not_asked_whether_it_is_there(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with database.engine.connect() as connection:
            driven = connection.connection.driver_connection
            driven.close()
            assert database.engine.dialect.do_ping(driven)
            monkeypatch.setattr(postgresql, "FRESH_SECONDS", 0.0)
            with pytest.raises(psycopg.OperationalError):
                database.engine.dialect.do_ping(driven)
            connection.invalidate()

    def test_one_that_was_not_and_is_gone_is_replaced(
        self, database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = self.pid(database)
        other = Database(database_url)
        with other.write() as session:
            session.execute(select(func.pg_terminate_backend(before)))
        other.close()
        monkeypatch.setattr(postgresql, "FRESH_SECONDS", 0.0)
        assert self.pid(database) != before
