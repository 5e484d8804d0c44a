"""The outbox and the reconciler's queries. Safe to run from any number of dispatchers at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session

from core.catalog import attempts
from core.catalog.database import now
from core.catalog.jobs import enqueue_all
from core.catalog.tables import Job, Outbox
from core.jobs.states import HELD, State

MOST_ROWS = 500
"""Announcements that are looked at at once."""
MOST_HINTS = 256
"""Hints in a queue of the broker. Slots that are free take them all: while some lie there, more would wake nobody."""
MOST_LOST = 100
"""Expired leases that are ended at once."""


class Announcement(NamedTuple):
    """A row of the outbox, what its job needs, and whether it is still to be taken."""

    id: int
    job_id: str
    need: str
    queued: bool = True

    @classmethod
    def told(cls, text: str) -> Announcement:
        """One that the bell told of."""
        number, job_id, need = text.split()
        return cls(int(number), job_id, need)


def outbox(session: Session, limit: int = MOST_ROWS) -> list[Announcement]:
    """Announcements not yet struck out, oldest first."""
    columns = (Outbox.id, Outbox.job_id, Job.need, Job.state == State.QUEUED)
    query = select(*columns).join(Job, Job.id == Outbox.job_id).order_by(Outbox.id).limit(limit)
    return [Announcement(*row) for row in session.execute(query)]


def traces(session: Session, rows: Sequence[Announcement]) -> dict[str, str | None]:
    """By job, the trace that it belongs to."""
    query = select(Job.id, Job.trace).where(Job.id.in_([row.job_id for row in rows]))
    return {row.id: row.trace for row in session.execute(query)}


def announced(session: Session, rows: Sequence[Announcement]) -> None:
    """Strike announcements out. A crash before this repeats them: harmless, a hint only says try a claim.

    No sooner than workers had a moment to claim the jobs: those that are still queued are locked here, and a claim
    passes over what is locked.
    """
    unseen = {"synchronize_session": False}
    struck = delete(Outbox).where(Outbox.id.in_([row.id for row in rows]))
    session.execute(struck, execution_options=unseen)
    waiting = [row.job_id for row in rows if row.queued]
    if waiting:
        still = (Job.id.in_(waiting), Job.state == State.QUEUED)
        session.execute(update(Job).where(*still).values(hinted_at=now()), execution_options=unseen)


def end_expired_leases(session: Session, limit: int = MOST_LOST) -> list[tuple[str, State]]:
    """End every attempt whose lease ran out; the jobs and where each went."""
    expired = session.scalars(
        select(Job)
        .where(Job.state.in_(HELD), Job.lease_until < now())
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    ended = [
        (job.id, attempts.lose(session, job.id, job.attempt, f"worker {job.worker} {attempts.SILENT}"))
        for job in expired
    ]
    return [(job_id, state) for job_id, state in ended if state is not None]


def queued_needs(session: Session) -> set[str]:
    """What the queued jobs need, those included that are left to newer workers."""
    return set(session.scalars(select(Job.need).where(Job.state == State.QUEUED).distinct()))


def repeat_lost_hints(
    session: Session, older_than: float, needs: Collection[str], limit: int = MOST_HINTS
) -> int:
    """Announce again the queued jobs with such needs whose hint is older than `older_than` seconds; how many.

    Only for needs of which the broker holds no hint: else they still wait in it.
    """
    announced = exists().where(Outbox.job_id == Job.id)
    lost = session.scalars(
        select(Job.id)
        .where(
            Job.state == State.QUEUED,
            Job.need.in_(needs),
            ~announced,
            or_(Job.hinted_at.is_(None), Job.hinted_at < now() - older_than),
        )
        .order_by(Job.created_at, Job.id)
        .limit(limit)
    ).all()
    enqueue_all(session, lost)
    return len(lost)
