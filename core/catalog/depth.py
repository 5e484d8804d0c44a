"""How much waits and works, of all projects, counted so that asking every few seconds costs a busy database nothing.

Of each state at most `COUNTED` jobs are looked at, in the order in which they lie in an index: what is told of more
is at least true of those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.catalog.tables import Attempt, Event, Job, Outbox, Project
from core.jobs.states import HELD, TERMINAL, State

COUNTED = 10_000
OPEN = tuple(state for state in State if state not in TERMINAL)


@dataclass(frozen=True)
class Depth:
    """Jobs of one kind in one state; `oldest_seconds`: since when the longest of them was asked for."""

    state: str
    kind: str
    jobs: int
    oldest_seconds: float


def depths(session: Session, at: float) -> list[Depth]:
    """Of every state that is not an end, by kind."""
    found = []
    for state in OPEN:
        order = (Job.priority.desc(), Job.created_at, Job.id)
        first = (
            select(Job.kind, Job.created_at)
            .where(Job.state == state)
            .order_by(*order)
            .limit(COUNTED)
            .subquery()
        )
        counted = select(first.c.kind, func.count(), func.min(first.c.created_at)).group_by(first.c.kind)
        for kind, count, oldest in session.execute(counted):
            found.append(Depth(state, kind, count, max(0.0, at - oldest)))
    return found


def oldest_queued(session: Session, at: float) -> float:
    """Since how many seconds the longest queued job waits; 0 where none does. One look into an index per project."""
    its_oldest = (
        select(func.min(Job.created_at))
        .where(Job.project == Project.name, Job.state == State.QUEUED)
        .correlate(Project)
        .scalar_subquery()
    )
    rows = session.execute(select(its_oldest).select_from(Project)).scalars()
    return max((at - oldest for oldest in rows if oldest is not None), default=0.0)


@dataclass(frozen=True)
class Announcements:
    """Queued jobs of which no worker was told yet, and for how long the first of them was not."""

    jobs: int
    oldest_seconds: float


def announcements(session: Session, at: float) -> Announcements:
    """The length of the outbox."""
    first = select(Outbox.id, Outbox.job_id).order_by(Outbox.id).limit(COUNTED).subquery()
    count = session.scalar(select(func.count()).select_from(first)) or 0
    job = session.execute(
        select(Job.id, Job.hinted_at).join(Outbox, Outbox.job_id == Job.id).order_by(Outbox.id).limit(1)
    ).first()
    if job is None:
        return Announcements(count, 0.0)
    # What queues a job tells it as an event, in the same transaction; what repeats a hint had told workers before.
    queued = session.scalar(select(func.max(Event.at)).where(Event.job_id == job.id))
    return Announcements(count, max(0.0, at - max(queued or 0.0, job.hinted_at or 0.0)))


def expired_leases(session: Session, at: float) -> int:
    """Leases that ran out, and that no dispatcher has ended yet."""
    expired = select(Job.id).where(Job.state.in_(HELD), Job.lease_until < at).limit(COUNTED).subquery()
    return session.scalar(select(func.count()).select_from(expired)) or 0


@dataclass(frozen=True)
class Held:
    """A job that a worker holds: since when, on which device, and what it uses (`workers.usage`), as last told."""

    worker: str
    kind: str
    seconds: float
    device: str | None
    usage: dict[str, Any] | None


def held(session: Session, at: float) -> Sequence[Held]:
    """Every job that a worker holds."""
    rows = session.execute(
        select(Attempt.worker, Job.kind, Attempt.started_at, Attempt.device, Attempt.usage)
        .join(Attempt, (Attempt.job_id == Job.id) & (Attempt.attempt == Job.attempt))
        .where(Job.state.in_(HELD))
        .limit(COUNTED)
    )
    return [
        Held(worker, kind, max(0.0, at - since), device, usage) for worker, kind, since, device, usage in rows
    ]
