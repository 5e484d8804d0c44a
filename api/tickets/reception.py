"""Takes uploads in: so many at a time, and none past the quota."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from anyio import Lock
from anyio.to_thread import run_sync
from fastapi import Depends, Request

from api import limits
from api.problems import NO_ROOM, ProblemKind, Rejected
from api.tickets.upload import Upload
from core.catalog import quotas
from core.catalog.artifacts import ArtifactStore
from core.catalog.database import Database
from core.settings import Settings

BUSY = ProblemKind(
    "too-many-uploads",
    503,
    "Too many uploads arrive at once",
    "16 uploads are received at a time; send it again in a while.",
)
RETRY_SECONDS = 5
RECOUNT_SECONDS = 30.0
"""The store is counted again no more often: what others put there is noticed that late."""


class Reception:
    """One per API: knows how many uploads are arriving, and how many bytes are stored."""

    def __init__(self, settings: Settings) -> None:
        self._places = settings.uploads
        self._most = settings.max_upload_bytes
        self._quota = settings.quota_bytes
        self._arriving = 0
        self._stored = 0
        self._counted = -math.inf
        self._counting = Lock()

    @asynccontextmanager
    async def upload(self, store: ArtifactStore, database: Database) -> AsyncIterator[Upload]:
        """A place to receive into, removed when the block ends.

        Raises `Rejected` where there is none, and past the quota of the database's project.
        """
        if self._arriving >= self._places:
            told = f"{self._places} uploads are received at a time; send it again in a while."
            raise Rejected(BUSY, told, headers={"Retry-After": str(RETRY_SECONDS)})
        received = 0

        def count(size: int) -> None:
            nonlocal received
            received += size
            self._take(size)
            limits.check_room(most, stored, received)

        self._arriving += 1
        try:
            most, stored = await run_sync(_room, database)
            limits.check_room(most, stored)
            await self._recount(store)
            with store.stage() as staged:
                yield Upload(staged, self._most, count)
        except BaseException:
            self._stored -= received  # it is not kept
            raise
        finally:
            self._arriving -= 1

    async def room_for(self, store: ArtifactStore, database: Database, size: int) -> None:
        """Count what is to be stored by another way; raises `Rejected` where it is too much."""
        limits.check_room(*await run_sync(_room, database), size)
        await self._recount(store)
        try:
            self._take(size)
        except Rejected:
            self._stored -= size
            raise

    def _take(self, size: int) -> None:
        self._stored += size
        if self._quota is not None and self._stored > self._quota:
            told = f"Of {self._quota} bytes that may be stored here there are not enough left."
            raise Rejected(NO_ROOM, told)

    async def _recount(self, store: ArtifactStore) -> None:
        async with self._counting:
            if self._quota is not None and time.monotonic() - self._counted > RECOUNT_SECONDS:
                self._stored = await run_sync(store.size)
                self._counted = time.monotonic()


def _room(database: Database) -> tuple[int | None, int]:
    """How many bytes a project may store, and does."""
    with database.read() as session:
        most = quotas.quota(session).bytes
        return most, 0 if most is None else quotas.stored(session)


async def _reception(request: Request) -> Reception:
    found: Reception = request.app.state.reception
    return found


ReceptionDep = Annotated[Reception, Depends(_reception)]
