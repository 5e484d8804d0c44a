"""What the pages show of a job."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.pages.formats import ago, duration
from api.pages.specs import Networks, summary
from core.catalog.database import now
from core.catalog.tables import Job
from core.jobs.states import RETRYABLE, TERMINAL, State

ACTIVE = tuple(state for state in State if state not in TERMINAL)
ENDED = tuple(state for state in State if state in TERMINAL)
KINDS = ("find", "transform", "train", "evaluate")
CANCELLABLE = frozenset(ACTIVE) - {State.CANCELLING}


@dataclass(frozen=True)
class Progress:
    """How far a job is, in training steps; `left` in seconds where it can be told."""

    done: int
    total: int
    doing: str
    left: float | None

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return min(self.done / self.total, 1.0)


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
    attempt: int
    max_attempts: int
    reason: str | None

    @property
    def active(self) -> bool:
        """Whether it may still change."""
        return self.state in ACTIVE

    @property
    def cancellable(self) -> bool:
        """Whether asking it to stop means anything."""
        return self.state in CANCELLABLE

    @property
    def retryable(self) -> bool:
        """Whether its spec may be tried again as a new job."""
        return self.state in RETRYABLE


def clock(session: Session) -> float:
    """The database's time: the one that every timestamp was written by."""
    return session.execute(select(now())).scalar_one()


def view(job: Job, known: Networks, at: float) -> JobView:
    """A job at the database's time `at`, within the session that read it."""
    return JobView(
        id=job.id,
        kind=job.kind,
        state=State(job.state),
        summary=summary(job.spec, known),
        progress=progress(job, at),
        when=when(job, at),
        created_at=job.created_at,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        reason=(job.error or {}).get("message"),
    )


def progress(job: Job, at: float) -> Progress | None:
    """A running job's progress. The rate is that of all its attempts, for a resumed one did not start at 0."""
    told = job.progress or {}
    if job.state not in (State.RUNNING, State.CANCELLING) or not told.get("total"):
        return None
    done, total = told["done"], told["total"]
    worked = sum((attempt.ended_at or at) - attempt.started_at for attempt in job.attempts)
    left = worked * (total - done) / done if done and worked > 0 and job.state == State.RUNNING else None
    return Progress(done, total, told.get("doing") or "", left)


def when(job: Job, at: float) -> str:
    """The time that matters in a job's state: how long it has waited, has run, or took."""
    if job.finished_at is not None:
        took = f"took {duration(job.finished_at - job.started_at)} · " if job.started_at is not None else ""
        return took + ago(at - job.finished_at)
    if job.started_at is not None and job.state != State.QUEUED:
        return f"for {duration(at - job.started_at)}"
    return f"created {ago(at - job.created_at)}"
