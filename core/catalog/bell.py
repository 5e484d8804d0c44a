"""What tells a dispatcher at once that a job was queued: a shortcut, for the outbox is the truth and looked at anyway.

On PostgreSQL the transaction that queues a job notifies who listens when it commits. On SQLite any commit is heard, by
`PRAGMA data_version`, which takes microseconds to ask.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.catalog.database import Database

CHANNEL = "elasticket_outbox"
TURN = 0x656C7469636B
"""The advisory lock of the dispatcher that leads."""
LOOK_SECONDS = 0.005


def ring(session: Session, told: str) -> None:
    """Tell the dispatchers of an announcement once this transaction commits.

    Its first is told as it is, for a dispatcher to publish it without a look at the outbox; of more it is told that
    there are some.
    """
    rung = session.info.get("rung", 0)
    if session.get_bind().dialect.name == "postgresql" and rung < 2:
        session.info["rung"] = rung + 1
        session.execute(select(func.pg_notify(CHANNEL, "" if rung else told)))


class Bell:
    """A dispatcher's ear, on a connection of its own. `leads`: it is this dispatcher that is to answer.

    Of those that share a PostgreSQL one leads until its connection ends: a job that all of them announced would make
    as many workers look for it. Those that share a SQLite all lead.
    """

    def __init__(self, database: Database) -> None:
        self._engine = database.engine
        self._notifies = self._engine.dialect.name == "postgresql"
        self._connection: Any = None
        self._version: object = None
        self.leads = False

    def wait(self, seconds: float) -> list[str]:
        """Wait so long, but no longer than until jobs may have been queued: what is told of them, "" for a look.

        Nothing, while the database is away.
        """
        until = time.monotonic() + seconds
        try:
            if self._connection is None:
                self._open()
            if not self.leads:
                self._apply()
            if self._notifies and self.leads:
                return [heard.payload for heard in self._connection.notifies(timeout=seconds, stop_after=1)]
            return self._written(until) if self.leads else _sleep(until)
        except (self._engine.dialect.loaded_dbapi.Error, SQLAlchemyError):
            self.close()
            return _sleep(until)

    def close(self) -> None:
        """Let another lead."""
        self.leads, connection, self._connection = False, self._connection, None
        with suppress(self._engine.dialect.loaded_dbapi.Error):
            if connection is not None:
                connection.close()

    def _open(self) -> None:
        fairy = self._engine.raw_connection()
        self._connection = fairy.driver_connection
        fairy.detach()
        if self._notifies:
            self._connection.autocommit = True
            # The server is to notice within seconds that a leader's machine is gone.
            for name, value in (("idle", 5), ("interval", 3), ("count", 3)):
                self._connection.execute(f"SET tcp_keepalives_{name} = {value}")
            self._connection.execute(f"LISTEN {CHANNEL}")

    def _apply(self) -> None:
        self.leads = not self._notifies or bool(
            self._connection.execute("SELECT pg_try_advisory_lock(%s)", (TURN,)).fetchone()[0]
        )

    def _written(self, until: float) -> list[str]:
        while True:
            version = self._connection.execute("PRAGMA data_version").fetchone()
            if version != self._version:
                self._version = version
                return [""]
            if time.monotonic() >= until:
                return []
            time.sleep(LOOK_SECONDS)


def _sleep(until: float) -> list[str]:
    time.sleep(max(0.0, until - time.monotonic()))
    return []
