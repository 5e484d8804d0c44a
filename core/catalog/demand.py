"""How much is asked of the workers, by what jobs need: what a fleet is scaled by."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.catalog import pools
from core.catalog.jobs import clock
from core.catalog.tables import Job
from core.jobs.placement import Need, could
from core.jobs.states import HELD, State


@dataclass(frozen=True)
class Demand:
    """The jobs of one need, which take `devices` devices each and are announced on `queue`.

    `oldest_seconds`: since when the oldest queued one was asked for; None: none is queued. `workers`: how many are
    there, take jobs, and have room for such a one when they do nothing else; where there are none it waits for ever.
    """

    need: str
    queue: str
    devices: int
    queued: int
    running: int
    oldest_seconds: float | None
    workers: int


def demand(session: Session) -> list[Demand]:
    """By need, in the order of their names; those of which a job is queued or running."""
    at = clock(session)
    rows = session.execute(
        select(Job.need, Job.state, func.count(), func.min(Job.created_at))
        .where(Job.state.in_((State.QUEUED, *HELD)))
        .group_by(Job.need, Job.state)
    )
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    oldest: dict[str, float] = {}
    for need, state, count, first in rows:
        counts[need][state] += count
        if state == State.QUEUED:
            oldest[need] = max(0.0, at - first)
    offers = [pools.offer(pool) for pool in pools.live(session)]
    return [
        Demand(
            need,
            Need.parse(need).queue,
            Need.parse(need).devices,
            queued=states[State.QUEUED],
            running=sum(states[state] for state in HELD),
            oldest_seconds=oldest.get(need),
            workers=sum(could(one, Need.parse(need)) for one in offers),
        )
        for need, states in sorted(counts.items())
    ]
