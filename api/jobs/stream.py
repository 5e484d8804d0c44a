"""A job's events as server-sent events: what happened so far, then what happens, until the job has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator

from anyio.to_thread import run_sync
from fastapi.sse import ServerSentEvent

from api.jobs.feed import Feed
from api.jobs.schemas import Progress
from api.jobs.told import Told, tell
from core.catalog import jobs
from core.catalog.database import Database
from core.catalog.jobs import Glimpse
from core.jobs.states import TERMINAL


async def stream(database: Database, feed: Feed, job_id: str, after: int) -> AsyncIterator[ServerSentEvent]:
    """Events past `after`, and progress as it changes; ends once a terminal state has been sent."""
    progress = None
    with feed.watch(job_id) as watch:
        while True:
            seen, fresh = await watch.next()
            if seen.progress != progress and seen.state not in TERMINAL:
                progress = seen.progress
                yield _progress(seen)
            while after < seen.last_event:
                if not fresh or fresh[0].seq > after + 1:
                    # What happened before this watcher came, or faster than it reads.
                    fresh = await run_sync(_replay, database, job_id, after)
                for told in fresh:
                    if told.seq > after:
                        after = told.seq
                        yield told.message
                fresh = []
            if seen.state in TERMINAL:
                return


def has_more(database: Database, job_id: str, after: int) -> bool | None:
    """Whether a job has, or may yet have, events past `after`; None where there is no such job."""
    with database.read() as session:
        found = jobs.glimpses(session, [job_id])
        return found[0].state not in TERMINAL or found[0].last_event > after if found else None


def _replay(database: Database, job_id: str, after: int) -> list[Told]:
    with database.read() as session:
        return [tell(event) for event in jobs.events_after(session, job_id, after)]


def _progress(seen: Glimpse) -> ServerSentEvent:
    assert seen.progress is not None, "progress never goes back to nothing"
    return ServerSentEvent(event="progress", data=Progress.of(seen.progress, seen.state))
