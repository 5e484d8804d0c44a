"""A database's clock in a test's hands."""

from typing import Any

from sqlalchemy import event, text

from core.catalog.database import Database


class Clock:
    """The database's clock, which shows what the test says: the product's SQL asks it, and nothing else."""

    def __init__(self, database: Database) -> None:
        self.now = 1000.0
        self._database = database
        if database.engine.dialect.name == "sqlite":
            event.listen(database.engine, "connect", self._replace)
        else:
            self._replace_in_server()

    def _replace(self, connection: Any, _: object) -> None:
        connection.create_function("unixepoch", 1, lambda _: self.now)
        # Nothing here outlives the test: no disk needs to be waited for.
        connection.execute("PRAGMA synchronous = OFF")

    def _replace_in_server(self) -> None:
        with self._database.engine.begin() as connection:
            name = connection.execute(text("SELECT current_database()")).scalar_one()
            for statement in (
                "CREATE SCHEMA faked",
                "CREATE TABLE faked.clock AS SELECT 1000.0::double precision AS shows",
                """CREATE FUNCTION faked.clock_timestamp() RETURNS timestamptz LANGUAGE sql
                AS 'SELECT to_timestamp(shows) FROM faked.clock'""",
                # What is named first hides the server's own.
                f'ALTER DATABASE "{name}" SET search_path = faked, pg_catalog, public',
            ):
                connection.execute(text(statement))
        self._database.engine.dispose()

    def set(self, now: float) -> None:
        self.now = now
        if self._database.engine.dialect.name == "postgresql":
            with self._database.engine.begin() as connection:
                connection.execute(text("UPDATE faked.clock SET shows = :now"), {"now": now})
