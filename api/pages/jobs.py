"""What the pages show of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from api.jobs.schemas import Progress, may_retry
from api.pages.formats import ago, duration
from api.pages.specs import Networks, summary
from core.catalog.jobs import CANCELLABLE
from core.catalog.queue import NOT_BEGUN
from core.catalog.tables import Job
from core.jobs.states import HELD, TERMINAL, State

ACTIVE = tuple(state for state in State if state not in TERMINAL)
ENDED = tuple(state for state in State if state in TERMINAL)


@dataclass(frozen=True)
class JobView:
    """One job as a list shows it."""

    id: str
    kind: str
    state: State
    summary: str
    progress: Progress | None
    when: str
    created_at: float
    priority: int
    place: int | None
    worker: str | None
    device: str | None
    attempt: int
    max_attempts: int
    reason: str | None
    retryable: bool

    @property
    def active(self) -> bool:
        """Whether it may still change."""
        return self.state in ACTIVE

    @property
    def movable(self) -> bool:
        """Whether another priority would change anything."""
        return self.state in NOT_BEGUN

    @property
    def cancellable(self) -> bool:
        """Whether asking it to stop means anything."""
        return self.state in CANCELLABLE


def view(
    job: Job,
    known: Networks,
    at: float,
    places: Mapping[str, int] | None = None,
    devices: Mapping[str, str] | None = None,
) -> JobView:
    """A job at the database's time `at`, within the session that read it.

    `places`: those of the first in the queue; `devices`: what jobs are computed on.
    """
    held = job.state in HELD
    return JobView(
        id=job.id,
        kind=job.kind,
        state=State(job.state),
        summary=summary(job.spec, known),
        progress=progress(job),
        when=when(job, at),
        created_at=job.created_at,
        priority=job.priority,
        place=(places or {}).get(job.id),
        worker=job.worker if held else None,
        device=(devices or {}).get(job.id) if held else None,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        reason=(job.error or {}).get("message"),
        retryable=may_retry(job),
    )


def progress(job: Job) -> Progress | None:
    """The progress of a job that is at work."""
    if job.state not in HELD or not job.progress or not job.progress["total"]:
        return None
    return Progress.of(job.progress, job.state)


def when(job: Job, at: float) -> str:
    """The time that matters in a job's state: how long it has waited, has run, or took."""
    if job.finished_at is not None:
        took = f"took {duration(job.finished_at - job.started_at)} · " if job.started_at is not None else ""
        return took + ago(at - job.finished_at)
    if job.started_at is not None and job.state != State.QUEUED:
        return f"for {duration(at - job.started_at)}"
    return f"created {ago(at - job.created_at)}"
