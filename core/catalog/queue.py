"""The queue as a project sees it: of its jobs with one need the highest priority is taken first, then the oldest.

What else decides is in `core.catalog.placement`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.catalog.search import SCAN, JobFilter
from core.catalog.tables import Job
from core.jobs.states import State

LOWEST, HIGHEST = -100, 100
AHEAD = 1000
"""Positions that are told; who stands further back is only told so."""

NOT_BEGUN = (State.WAITING, State.QUEUED)
"""The states in which a priority still decides something."""

_ORDER = (Job.priority.desc(), Job.created_at, Job.id)
_IDS = select(Job.id).where(Job.state == State.QUEUED).order_by(*_ORDER)


def positions(session: Session) -> dict[str, int]:
    """The places of the first `AHEAD` queued jobs by id; the next to be done has place 1."""
    return {job_id: place for place, job_id in enumerate(session.scalars(_IDS.limit(AHEAD)), 1)}


def front(session: Session, limit: int, wanted: JobFilter) -> Sequence[Job]:
    """The first queued jobs that a filter asks for, whatever states it names, of the first `SCAN`."""
    near = [Job.id.in_(select(_IDS.limit(SCAN).subquery().c.id))] if wanted.conditions else []
    queued = select(Job).where(Job.state == State.QUEUED, *near, *wanted.conditions)
    return session.scalars(queued.order_by(*_ORDER).limit(limit)).all()


def prioritise(session: Session, job_id: str, priority: int) -> Job | None:
    """Give a job that has not begun another place in the queue; None where it has, or is not there."""
    return session.scalar(
        update(Job)
        .where(Job.id == job_id, Job.state.in_(NOT_BEGUN))
        .values(priority=priority)
        .returning(Job)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
