"""One poller per process reads what is new of each watched job once, and hands it to all who watch that job."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.jobs.told import Told, tell
from core.catalog import jobs
from core.catalog.database import Database
from core.catalog.jobs import Glimpse

log = logging.getLogger(__name__)
HELD = 500
"""Events kept for a watcher that is slow to take them; older ones it reads from the catalog."""


class Watch:
    """One watcher's view of one job."""

    def __init__(self) -> None:
        self._latest: Glimpse | None = None
        self._events: deque[Told] = deque(maxlen=HELD)
        self._news = asyncio.Event()

    def show(self, glimpse: Glimpse, events: Sequence[Told]) -> None:
        """Tell the watcher how the job is now, and what happened meanwhile."""
        if glimpse != self._latest:
            self._latest = glimpse
            self._events.extend(events)
            self._news.set()

    async def next(self) -> tuple[Glimpse, list[Told]]:
        """How the job is, as soon as there is news of it, and the latest events: perhaps not all since the last."""
        await self._news.wait()
        self._news.clear()
        assert self._latest is not None, "news are of something"
        events = list(self._events)
        self._events.clear()
        return self._latest, events


@dataclass
class _Watched:
    """A job that somebody watches. `told`: the last event that was handed out; None before the first look."""

    watches: set[Watch] = field(default_factory=set)
    told: int | None = None


class Feed:
    """Polls the catalog for the jobs that somebody watches, and only while somebody does."""

    def __init__(self, database: Database, seconds: float = 0.3) -> None:
        self._database = database
        self._seconds = seconds
        self._watched: dict[str, _Watched] = {}
        self._poller: asyncio.Task[None] | None = None

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Watch]:
        """Watch a job."""
        watch = Watch()
        watched = self._watched.setdefault(job_id, _Watched())
        watched.watches.add(watch)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            yield watch
        finally:
            watched.watches.discard(watch)
            if not watched.watches:
                self._watched.pop(job_id, None)

    async def close(self) -> None:
        """Stop polling."""
        if self._poller is not None:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller

    async def _poll(self) -> None:
        while self._watched:
            told = {job_id: watched.told for job_id, watched in self._watched.items()}
            try:
                news = await run_sync(self._look, told)
            except SQLAlchemyError as error:
                log.warning("the feed of jobs could not be read: %s", error)
            else:
                for glimpse, events in news:
                    if watched := self._watched.get(glimpse.id):
                        watched.told = glimpse.last_event
                        for watch in watched.watches:
                            watch.show(glimpse, events)
            await asyncio.sleep(self._seconds)

    def _look(self, told: dict[str, int | None]) -> list[tuple[Glimpse, list[Told]]]:
        with self._database.read() as session:
            return [
                (glimpse, self._since(session, glimpse, told[glimpse.id]))
                for glimpse in jobs.glimpses(session, told)
            ]

    @staticmethod
    def _since(session: Session, glimpse: Glimpse, told: int | None) -> list[Told]:
        if told is None or told == glimpse.last_event:
            return []
        first = max(told, glimpse.last_event - HELD)
        return [tell(event) for event in jobs.events_after(session, glimpse.id, first, HELD)]
