"""Workers as they say they are: a pool of slots with what it offers, and whether it takes jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from core.catalog.database import dialect_insert, now
from core.catalog.tables import Base, Job, Pool
from core.jobs.placement import Device, Offer
from core.jobs.states import State

BEAT_SECONDS = 10.0
"""How often a worker says that it is there."""
LIVE_SECONDS = 40.0
"""One that said nothing for so long is not counted upon."""
KEPT_SECONDS = 3600.0
DRAINED = "was drained"
"""How the reason ends for which an attempt is over whose worker was drained at once."""

_JOBS = Base.metadata.tables["jobs"]


def enrol(session: Session, name: str, offer: Offer, *, begins: bool = False) -> bool:
    """Enter a worker, or note that it is still there and what it offers now; whether it is being drained.

    One that `begins` is another than what had its name before.
    """
    values: dict[str, Any] = asdict(offer) | {"takes": ",".join(sorted(offer.takes)), "seen_at": now()}
    if begins:
        values |= {"drain": False, "kept_for": None, "started_at": now()}
    insert = dialect_insert(session)(Pool).values(name=name, **values)
    entered = insert.on_conflict_do_update(index_elements=[Pool.name], set_=values)
    return bool(session.scalar(entered.returning(Pool.drain)))


def leave(session: Session, name: str) -> None:
    """A worker ends."""
    session.execute(delete(Pool).where(Pool.name == name))


def forget(session: Session) -> None:
    """Strike out workers that nobody has heard of for an hour."""
    session.execute(delete(Pool).where(Pool.seen_at < now() - KEPT_SECONDS))


def offer(pool: Pool) -> Offer:
    """What a worker offers."""
    takes: frozenset[Device] = frozenset(pool.takes.split(","))  # type: ignore[arg-type]
    return Offer(pool.slots, pool.memory, pool.gpus, pool.gpu_memory, takes)


def live(session: Session) -> Sequence[Pool]:
    """The workers that are there and take jobs."""
    there = (Pool.seen_at >= now() - LIVE_SECONDS, Pool.drain.is_(False))
    return session.scalars(select(Pool).where(*there).order_by(Pool.name)).all()


def drain(session: Session, name: str, *, drained: bool = True, at_once: bool = False) -> Pool | None:
    """Have a worker take no more jobs, or not `drained` jobs again; None where there is no such worker.

    `at_once`: its jobs save their state and go back to the queue, else it finishes them.
    """
    pool = session.scalar(
        update(Pool)
        .where(Pool.name == name)
        .values(drain=drained)
        .returning(Pool)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    if pool is not None and drained and at_once:
        session.execute(
            update(Job)
            .where(Job.pool == name, Job.state == State.RUNNING, Job.gives_way.is_(None))
            .values(gives_way=f"worker {name} {DRAINED}")
        )
    return pool


class Crew(NamedTuple):
    """The workers that are there and take jobs, or that are there and drained; `slots` of all together."""

    drained: bool
    workers: int
    slots: int


def crews(session: Session) -> list[Crew]:
    """Both, as far as there are any."""
    rows = session.execute(
        select(Pool.drain, func.count(), func.sum(Pool.slots))
        .where(Pool.seen_at >= now() - LIVE_SECONDS)
        .group_by(Pool.drain)
        .order_by(Pool.drain)
    )
    return [Crew(drained, workers, int(slots)) for drained, workers, slots in rows]


def running(session: Session) -> dict[str, int]:
    """How many jobs each worker has, whosever they are."""
    pool = _JOBS.c.pool
    rows = session.execute(select(pool, func.count()).where(pool.is_not(None)).group_by(pool))
    return {str(name): count for name, count in rows}
