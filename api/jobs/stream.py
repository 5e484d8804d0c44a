"""A job's events as server-sent events: what happened so far, then what happens, until the job has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from anyio.to_thread import run_sync
from fastapi.sse import ServerSentEvent

from api.jobs.feed import Feed
from api.jobs.schemas import Progress
from core.catalog import jobs
from core.catalog.database import Database
from core.catalog.jobs import Glimpse
from core.catalog.tables import Event
from core.jobs.states import TERMINAL


async def stream(database: Database, feed: Feed, job_id: str, after: int) -> AsyncIterator[ServerSentEvent]:
    """Events past `after`, and progress as it changes; ends once a terminal state has been sent."""
    seen: Glimpse | None = None
    progress = None
    with feed.watch(job_id) as watch:
        while True:
            seen = await watch.after(seen)
            if seen.progress != progress and seen.state not in TERMINAL:
                progress = seen.progress
                yield _progress(seen)
            while after < seen.last_event:
                for event in await run_sync(_events, database, job_id, after):
                    after = event.seq
                    yield _event(event)
            if seen.state in TERMINAL:
                return


def has_more(database: Database, job_id: str, after: int) -> bool | None:
    """Whether a job has, or may yet have, events past `after`; None where there is no such job."""
    with database.read() as session:
        found = jobs.glimpses(session, [job_id])
        return found[0].state not in TERMINAL or found[0].last_event > after if found else None


def _events(database: Database, job_id: str, after: int) -> list[Event]:
    with database.read() as session:
        return list(jobs.events_after(session, job_id, after))


def _event(event: Event) -> ServerSentEvent:
    at = datetime.fromtimestamp(event.at, UTC)
    data = event.data | {"attempt": event.attempt, "at": at}
    return ServerSentEvent(id=str(event.seq), event=event.kind, data=data)


def _progress(seen: Glimpse) -> ServerSentEvent:
    assert seen.progress is not None, "progress never goes back to nothing"
    progress = Progress.of(seen.progress, seen.state, seen.attempt, seen.started_at, seen.at)
    return ServerSentEvent(event="progress", data=progress)
