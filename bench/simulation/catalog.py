"""The product's catalog in memory, on a clock that is moved by hand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event

from core.catalog.database import Database
from core.catalog.migrate import upgrade
from core.catalog.tables import Project

MEMORY = Path("/dev/shm")


class Clock:
    """What the database takes for the time: every `now()` of the product's SQL is answered with it."""

    def __init__(self) -> None:
        self.now = 0.0

    def govern(self, database: Database) -> None:
        """Be the clock of this database's connections."""
        event.listen(database.engine, "connect", self._prepare)

    def _prepare(self, connection: Any, _: object) -> None:
        connection.create_function("unixepoch", 1, lambda _: self.now)
        # Nothing here outlives the simulation: no disk needs to be waited for.
        connection.execute("PRAGMA synchronous = OFF")


@contextmanager
def catalog(clock: Clock, projects: Iterable[str]) -> Iterator[Database]:
    """An empty catalog with these projects, all of them in sight."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        url = f"sqlite:///{folder}/elasticket.db"
        upgrade(url)
        database = Database(url).everywhere()
        clock.govern(database)
        with database.write() as session:
            session.add_all(Project(name=name) for name in projects)
        yield database
        database.close()
