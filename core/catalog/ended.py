"""Attempts in the order in which they ended, read a piece at a time: what counters and histograms are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from core.catalog.attempts import SILENT, STOPPED
from core.catalog.pools import DRAINED
from core.catalog.preemption import GAVE_WAY
from core.catalog.tables import Attempt, Job

SETTLED_SECONDS = 5.0
"""An attempt is told so long after its end: others that ended before it may yet be committed after it."""
PIECE = 10_000


class Place(NamedTuple):
    """Where reading goes on: after this attempt."""

    ended_at: float
    job_id: str = ""
    attempt: int = 0


class Ended(NamedTuple):
    """One attempt that is over. `waited`: what the job's first attempt was waited for, in seconds; None of later ones.

    `outcome`: `succeeded`, `failed`, `cancelled`; else the job goes on, unless it has no attempt left or was to be
    cancelled: `preempted`, it gave way to a job of higher priority; `returned`, its worker was stopped or drained;
    `silent`, its lease ran out; `died`, its trainer or supervisor did.
    """

    kind: str
    outcome: str
    seconds: float
    waited: float | None


def ended_after(session: Session, place: Place, at: float) -> tuple[Sequence[Ended], Place]:
    """The next attempts that ended after a place, at most `PIECE`, and where to go on."""
    order = (Attempt.ended_at, Attempt.job_id, Attempt.attempt)
    rows = session.execute(
        select(*order, Job.kind, Attempt.outcome, Attempt.started_at, Job.created_at)
        .join(Job, Job.id == Attempt.job_id)
        .where(
            # The first two alone would do; they name what the index is searched for.
            Attempt.ended_at >= place.ended_at,
            Attempt.ended_at <= at - SETTLED_SECONDS,
            tuple_(*order) > tuple_(*place),
        )
        .order_by(*order)
        .limit(PIECE)
    ).all()
    if not rows:
        return [], place
    found = [
        Ended(
            row.kind,
            outcome_of(row.outcome or ""),
            max(0.0, row.ended_at - row.started_at),
            max(0.0, row.started_at - row.created_at) if row.attempt == 1 else None,
        )
        for row in rows
    ]
    last = rows[-1]
    return found, Place(last.ended_at, last.job_id, last.attempt)


def outcome_of(reason: str) -> str:
    """The kind of end that an attempt's reason tells of."""
    if reason in ("succeeded", "cancelled"):
        return reason
    if reason.startswith("failed: "):
        return "failed"
    if reason.endswith(SILENT):
        return "silent"
    if reason.startswith(GAVE_WAY):
        return "preempted"
    return "returned" if reason == STOPPED or reason.endswith(DRAINED) else "died"
