"""A SQLite that is safe to share between processes, or a clear refusal."""

from __future__ import annotations

import sqlite3
import time
from types import ModuleType
from typing import Any

from sqlalchemy import Connection

SAFE = (3, 51, 3)
"""Before 3.51.3 two connections that checkpoint a WAL at once could corrupt the database."""
BUSY_SECONDS = 5.0
"""How long a connection waits for others: well under a lease, so that a writer can try again within it."""
_LOOK_SECONDS = 0.001
_WAIT = f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}"


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
        "PRAGMA journal_mode = WAL",
        _WAIT,
        "PRAGMA foreign_keys = ON",
        # A commit must survive a power cut: NORMAL would lose the last ones in WAL mode.
        "PRAGMA synchronous = FULL",
    ):
        connection.execute(pragma).fetchall()


def begin(connection: Connection) -> None:
    """Begin a transaction; one that `writes`, as soon as no other process has one.

    IMMEDIATE takes the write lock at once: a deferred transaction that upgrades fails without waiting. SQLite itself
    looks again after up to a tenth of a second whether it can have it, while transactions take thousandths.
    """
    raw: Any = connection.connection.driver_connection
    if not connection.get_execution_options().get("writes"):
        raw.execute("BEGIN")
        return
    busy: Any = connection.dialect.loaded_dbapi.OperationalError
    until = time.monotonic() + BUSY_SECONDS
    raw.execute("PRAGMA busy_timeout = 0")
    try:
        while time.monotonic() < until:
            try:
                raw.execute("BEGIN IMMEDIATE")
                return
            except busy as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    break
            time.sleep(_LOOK_SECONDS)
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # whose error is SQLAlchemy's
    finally:
        raw.execute(_WAIT)


def optimize(connection: Any) -> None:
    """Sample a thousand rows of every index of a table that has grown much: seconds where there are millions."""
    for pragma in ("analysis_limit = 1000", "optimize(0x10002)"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
