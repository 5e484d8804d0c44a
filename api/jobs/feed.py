"""One poller per process tells every watcher of a job when there is something new to read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from core.catalog import jobs
from core.catalog.database import Database
from core.catalog.jobs import Glimpse

log = logging.getLogger(__name__)


class Watch:
    """One watcher's view of one job."""

    def __init__(self) -> None:
        self._latest: Glimpse | None = None
        self._news = asyncio.Event()

    def show(self, glimpse: Glimpse) -> None:
        """Tell the watcher how the job is now."""
        if glimpse != self._latest:
            self._latest = glimpse
            self._news.set()

    async def after(self, seen: Glimpse | None) -> Glimpse:
        """How the job is, as soon as that differs from `seen`."""
        while self._latest is None or self._latest == seen:
            self._news.clear()
            await self._news.wait()
        return self._latest


class Feed:
    """Polls the catalog for the jobs that somebody watches, and only while somebody does."""

    def __init__(self, database: Database, seconds: float = 0.3) -> None:
        self._database = database
        self._seconds = seconds
        self._watches: dict[str, set[Watch]] = {}
        self._poller: asyncio.Task[None] | None = None

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Watch]:
        """Watch a job."""
        watch = Watch()
        watches = self._watches.setdefault(job_id, set())
        watches.add(watch)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            yield watch
        finally:
            watches.discard(watch)
            if not watches:
                self._watches.pop(job_id, None)

    async def close(self) -> None:
        """Stop polling."""
        if self._poller is not None:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller

    async def _poll(self) -> None:
        while self._watches:
            try:
                glimpses = await run_sync(self._look, list(self._watches))
            except SQLAlchemyError as error:
                log.warning("the feed of jobs could not be read: %s", error)
            else:
                for glimpse in glimpses:
                    for watch in self._watches.get(glimpse.id, ()):
                        watch.show(glimpse)
            await asyncio.sleep(self._seconds)

    def _look(self, job_ids: list[str]) -> list[Glimpse]:
        with self._database.read() as session:
            return jobs.glimpses(session, job_ids)
