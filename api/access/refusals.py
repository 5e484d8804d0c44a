"""Keys that were refused: each is entered in the audit log, as long as they do not come in floods."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

from anyio.to_thread import run_sync
from starlette.requests import HTTPConnection
from starlette.types import Scope

from api.access.caller import act_of, caller_of
from api.gate.rates import Buckets
from core.catalog import audit, keys
from core.catalog.audit import Outcome
from core.catalog.database import UNREACHABLE, Database
from core.catalog.key_text import KeyText

A_MINUTE = 60
"""Refusals of one address that are entered; the others are only answered."""


class Refusals:
    """One per API. What cannot be entered is refused all the same."""

    def __init__(self, database: Database) -> None:
        self._database = database.everywhere()
        self._entered = Buckets("refusals", A_MINUTE)

    async def note(self, scope: Scope, outcome: Outcome, key: KeyText | None = None) -> None:
        """Enter the refusal of a request: of its caller, or of a `key` that is good for nothing."""
        connection = HTTPConnection(scope)
        address = connection.client.host if connection.client else ""
        if not self._entered.take(address, 1, time.monotonic())[0]:
            await run_sync(self._enter, connection, outcome, key)

    def _enter(self, connection: HTTPConnection, outcome: Outcome, key: KeyText | None) -> None:
        act, caller = act_of(connection), caller_of(connection)
        project = caller.project if caller else None
        with suppress(*UNREACHABLE), self._database.write() as session:
            if key is not None:
                act, project = replace(act, key=key.id), keys.project_let_into(session, key)
            audit.enter(session, act, outcome, project)
