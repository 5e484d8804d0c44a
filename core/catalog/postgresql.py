"""A PostgreSQL connection that gives up on a server which no longer answers."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from sqlalchemy import Dialect

FRESH_SECONDS = 1.0
"""A connection whose server answered so lately is not asked whether it is there, as each transaction would else do."""

ANSWER_SECONDS = 20.0
"""Longer than the server itself lets a statement take, well under a lease."""

PROMPT = {
    "connect_timeout": 5,
    # A worker that waits for a lost connection as long as TCP would cannot keep its lease, nor see a cancellation.
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "options": "-c lock_timeout=5s -c statement_timeout=15s -c idle_in_transaction_session_timeout=30s",
}


class Connection(psycopg.Connection[Any]):
    """Waits `answer_seconds` for each answer, None: for ever.

    TCP finds a host that is gone; a server that is stopped, or a proxy that lost it, is found by nothing else.
    """

    answer_seconds: float | None = ANSWER_SECONDS
    answered_at = 0.0

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Run one exchange with the server to its end; raises OperationalError, and is closed, where that is late."""
        patience = self.answer_seconds if timeout is None else timeout
        begun = time.monotonic()
        try:
            answer = super().wait(gen, interval, patience)
        except psycopg.OperationalError as error:
            if timeout is not None or patience is None or time.monotonic() - begun < patience:
                raise
            # What it may still answer would be taken for the answer to the next question.
            self.close()
            raise psycopg.OperationalError(f"no answer within {patience:g} s") from error
        self.answered_at = time.monotonic()
        return answer


def connect(_: object, __: object, arguments: list[Any], options: dict[str, Any]) -> Connection:
    """SQLAlchemy's hook for making a connection."""
    return Connection.connect(*arguments, **options)


def trust_lately_used(dialect: Dialect) -> None:
    """Have a pool that asks its connections whether they are there not ask those that were used just now."""
    ask = dialect.do_ping

    def do_ping(connection: Any) -> bool:
        return time.monotonic() - connection.answered_at < FRESH_SECONDS or ask(connection)

    dialect.do_ping = do_ping  # type: ignore[assignment, method-assign]
