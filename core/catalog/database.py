"""The database: an engine, two kinds of transaction, and the database's own clock."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import Double, create_engine, event, make_url
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from core.catalog import postgresql, scope, sqlite
from core.crashpoints import crashpoint


class now(FunctionElement[float]):  # noqa: N801 - reads as the SQL function it is
    """Seconds since 1970 by the database's clock, so that hosts with different clocks agree on leases."""

    type = Double()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_sqlite(*_: object, **__: object) -> str:
    return "unixepoch('subsec')"


@compiles(now, "postgresql")
def _now_postgresql(*_: object, **__: object) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


UNREACHABLE = (OperationalError, InterfaceError, InternalError, NoConnectionFree)
"""What a database raises that is away, restarting, locked, full or too busy: the same may work later."""

_POOL_SECONDS = 10.0
"""While the database is away its connections are all waited with: a request is told so rather than kept."""
_KEPT = 20
"""Connections to SQLite that a process keeps. To open one takes as long as a request: each reads the schema anew."""


class Database:
    """A catalog on SQLite or PostgreSQL, as one project has it: its sessions see nothing of others.

    Transactions are short: none stays open while anything is computed. `retries`: who uses it tries again what a
    connection has lost, so that one that was in use just now need not be asked first whether it is still there.
    """

    def __init__(self, url: str, *, retries: bool = False) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            self.engine = create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_pre_ping=True,
                pool_timeout=_POOL_SECONDS,
                connect_args=postgresql.PROMPT,
            )
            event.listen(self.engine, "do_connect", postgresql.connect)
            if retries:
                postgresql.trust_lately_used(self.engine.dialect)
        elif parsed.get_backend_name() == "sqlite":
            self.engine = create_engine(
                parsed, module=sqlite.driver(), pool_timeout=_POOL_SECONDS, pool_size=_KEPT, max_overflow=0
            )
            event.listen(self.engine, "connect", sqlite.prepare)
            event.listen(self.engine, "begin", sqlite.begin)
        else:
            raise ValueError(
                f"unsupported database {parsed.get_backend_name()!r}; accepted: sqlite, postgresql"
            )
        # Of this process's writers one at a time asks SQLite, whose own waiting favours the latest.
        self._turn = threading.Lock() if parsed.get_backend_name() == "sqlite" else None
        self._witness: Callable[[Session], None] | None = None
        self._writer = self.engine.execution_options(writes=True)
        self._bind(scope.DEFAULT)

    def of(self, project: str) -> Database:
        """The same database, as another project has it."""
        return copy.copy(self)._bind(project)

    def witnessed(self, by: Callable[[Session], None]) -> Database:
        """The same database, where `by` has the last word in every write transaction."""
        other = copy.copy(self)
        other._witness = by
        return other

    def everywhere(self) -> Database:
        """The same database with the rows of all projects: for what serves them all, and never for a request."""
        return copy.copy(self)._bind(None)

    def _bind(self, project: str | None) -> Database:
        self.project = project
        self._criteria = scope.criteria(project)
        return self

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A read transaction: one consistent snapshot on SQLite."""
        with scope.session(self.engine, self.project, self._criteria) as session:
            yield session

    @contextmanager
    def write(self, transaction: str = "") -> Iterator[Session]:
        """A write transaction, committed at the end of the block and rolled back on any exception.

        `transaction` is its name among `core.crashpoints.TRANSACTIONS`.
        """
        with (
            self._in_turn(),
            scope.session(self._writer, self.project, self._criteria) as session,
            session.begin(),
        ):
            yield session
            session.flush()
            if self._witness is not None:
                self._witness(session)
            crashpoint(f"{transaction}.commit")
        crashpoint(f"{transaction}.committed")

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=_POOL_SECONDS):
            raise NoConnectionFree(f"other writers took more than {_POOL_SECONDS:g} s")
        try:
            yield
        finally:
            self._turn.release()

    def optimize(self) -> None:
        """Have SQLite look at samples of tables that have grown much; without, it reads large ones whole.

        PostgreSQL does that by itself.
        """
        if self.engine.dialect.name == "sqlite":
            with closing(self.engine.raw_connection()) as connection:
                sqlite.optimize(connection.driver_connection)

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def dialect_insert(session: Session) -> Any:
    """The dialect's `insert`, for ON CONFLICT."""
    from sqlalchemy.dialects import postgresql as postgresql_dialect
    from sqlalchemy.dialects import sqlite as sqlite_dialect

    return (
        postgresql_dialect.insert
        if session.get_bind().dialect.name == "postgresql"
        else sqlite_dialect.insert
    )
