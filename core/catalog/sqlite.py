"""A SQLite that is safe to share between processes, or a clear refusal."""

from __future__ import annotations

import sqlite3
from types import ModuleType
from typing import Any

SAFE = (3, 51, 3)
"""Before 3.51.3 two connections that checkpoint a WAL at once could corrupt the database."""


class UnsafeSQLite(RuntimeError):
    """No SQLite library on this machine is new enough."""


def driver() -> ModuleType:
    """The standard library's sqlite3 where it is new enough, else pysqlite3's; raises UnsafeSQLite."""
    import pysqlite3.dbapi2 as bundled

    candidates: list[ModuleType] = [sqlite3, bundled]
    for candidate in candidates:
        if candidate.sqlite_version_info >= SAFE:
            return candidate
    found = ", ".join(f"{c.__name__} {c.sqlite_version}" for c in candidates)
    needed = ".".join(map(str, SAFE))
    raise UnsafeSQLite(
        f"SQLite {needed} or newer is needed, found {found}: install a newer pysqlite3 or use PostgreSQL"
    )


def prepare(connection: Any, _: object) -> None:
    """Pragmas of a new connection. `isolation_level = None` leaves BEGIN to us."""
    connection.isolation_level = None
    for pragma in (
        "journal_mode = WAL",
        # Well under a lease, so that a writer kept waiting can try again within it.
        "busy_timeout = 5000",
        "foreign_keys = ON",
        # A commit must survive a power cut: NORMAL would lose the last ones in WAL mode.
        "synchronous = FULL",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def optimize(connection: Any) -> None:
    """Sample a thousand rows of every index of a table that has grown much: seconds where there are millions."""
    for pragma in ("analysis_limit = 1000", "optimize(0x10002)"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
