"""Room for jobs that find none: whom a dispatcher asks to give way, by the rule of `core.jobs.preemption`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from core.catalog import pools
from core.catalog.database import now
from core.catalog.jobs import clock
from core.catalog.placement import QUEUED, heads
from core.catalog.tables import Job, Pool
from core.jobs.placement import Held, Need, Offer, could, is_large, place
from core.jobs.preemption import MARGIN, Running, victims
from core.jobs.states import State

LOOKED_AT = 100
"""Waiting jobs of each need and project that one round looks at."""
GAVE_WAY = "it gave way"
"""How the reason begins for which an attempt is over that gave way."""
_COMES = ""
"""The kind of a job that room was made for: nobody asks it to give way."""

Waiting = Row[str, str, int, float]


@dataclass
class _Room:
    """A worker as it will be: without the jobs that give way, with those that have room.

    What it had no room for it has none for until one gives way: of many jobs that wait alike the first is placed.
    """

    name: str
    offer: Offer
    running: list[Running]
    kept_for: str | None
    full: set[str] = field(default_factory=set)
    firm: set[tuple[str, int]] = field(default_factory=set)

    def takes_in(self, job: Waiting) -> bool:
        """Whether there is room for a job, which is taken then."""
        if job.need in self.full:
            return False
        need = Need.parse(job.need)
        gpus = place(self.offer, [one.held for one in self.running], need)
        if gpus is None:
            self.full.add(job.need)
            return False
        self.running.append(Running(job.id, _COMES, job.priority, Held(need, gpus), 0.0))
        return True

    def victims(self, job: Waiting, at: float, patience: float) -> list[Running]:
        """Who would give way to a job that finds no room; nobody where that makes none."""
        if (job.need, job.priority) in self.firm:
            return []
        found = victims(self.offer, self.running, Need.parse(job.need), job.priority, at, patience)
        if found is None:
            self.firm.add((job.need, job.priority))
        return found or []

    def loses(self, gone: Collection[Running]) -> None:
        """These give way."""
        self.running = [one for one in self.running if one not in gone]
        self.full.clear()
        self.firm.clear()


def make_room(session: Session, waited: float, patience: float) -> list[str]:
    """Ask running jobs to give way to queued ones, of which workers were told so many seconds ago; who was asked.

    `patience`: seconds that an attempt may at least keep what it has. A worker with room made for a job that takes
    more than one slot's share is kept for it, lest smaller ones fill what becomes free; so is one for a job that waits
    longer than `patience` although nobody has to give way to it. May be repeated: jobs that were asked count as gone.
    """
    waiting = _waiting(session, waited)
    if not waiting:
        return []
    at = clock(session)
    rooms = _rooms(session)
    keeping: dict[str, list[_Room]] = defaultdict(list)
    for room in rooms:
        if room.kept_for is not None:
            keeping[room.kept_for].append(room)
    nobodys = [room for room in rooms if room.kept_for is None]
    asked: list[str] = []
    for job in waiting:
        free = keeping.get(job.id, nobodys)
        if any(room.takes_in(job) for room in free):
            continue
        need = Need.parse(job.need)
        found = [
            (max(one.priority for one in gone), len(gone), room.name, room, gone)
            for room in free
            if (gone := room.victims(job, at, patience))
        ]
        if found:
            *_, kept, gone = min(found, key=lambda one: one[:3])
            asked += [one.id for one in gone if _ask(session, one.id, job)]
            kept.loses(gone)
            kept.takes_in(job)
        elif job.created_at < at - patience and (able := _emptiest(free, need)):
            kept = able
        else:
            continue
        if kept.kept_for is None and is_large(kept.offer, need):
            kept.kept_for = job.id
            nobodys.remove(kept)
            session.execute(update(Pool).where(Pool.name == kept.name).values(kept_for=job.id))
    return asked


def _emptiest(free: Iterable[_Room], need: Need) -> _Room | None:
    """Of those that have room for a job when they do nothing else."""
    by_jobs = sorted(free, key=lambda room: (len(room.running), room.name))
    return next((room for room in by_jobs if could(room.offer, need)), None)


def _waiting(session: Session, waited: float) -> list[Waiting]:
    """Queued jobs that workers know of, in turn, of a priority for which anyone could give way, and large ones."""
    lowest = session.scalar(select(func.min(Job.priority)).where(Job.state == State.RUNNING))
    if lowest is None:
        return []
    found: list[Waiting] = []
    for head in heads(session):
        need = Need.parse(head.need)
        if head.priority >= lowest + MARGIN or need.devices > 1 or need.memory is not None:
            same = (Job.need == head.need, Job.priority == head.priority, Job.project == head.project)
            query = select(Job.id, Job.need, Job.priority, Job.created_at).where(
                QUEUED, *same, Job.hinted_at < now() - waited
            )
            found += session.execute(query.order_by(Job.created_at, Job.id).limit(LOOKED_AT)).all()
    return sorted(found, key=lambda job: (-job.priority, job.created_at, job.id))


def _rooms(session: Session) -> list[_Room]:
    """The workers that take jobs. One is kept for a job no longer than that is queued."""
    queued = select(Job.id).where(Job.state == State.QUEUED, Job.id == Pool.kept_for).exists()
    session.execute(update(Pool).where(Pool.kept_for.is_not(None), ~queued).values(kept_for=None))
    running: dict[str, list[Running]] = defaultdict(list)
    columns = (Job.pool, Job.id, Job.kind, Job.priority, Job.need, Job.gpus, Job.started_at, Job.gave_way)
    stay = (Job.pool.is_not(None), Job.state == State.RUNNING, Job.gives_way.is_(None))
    for pool, job_id, kind, priority, need, gpus, started_at, gave_way in session.execute(
        select(*columns).where(*stay)
    ):
        held = Held(Need.parse(need), tuple(gpus or ()))
        running[str(pool)].append(Running(job_id, kind, priority, held, started_at or 0.0, gave_way))
    return [
        _Room(pool.name, pools.offer(pool), running[pool.name], pool.kept_for) for pool in pools.live(session)
    ]


def _ask(session: Session, job_id: str, waiting: Waiting) -> bool:
    """Ask one that was not; whether it was there to be asked."""
    reason = f"{GAVE_WAY} to job {waiting.id} of priority {waiting.priority}"
    stays = (Job.id == job_id, Job.state == State.RUNNING, Job.gives_way.is_(None))
    asked = update(Job).where(*stays).values(gives_way=reason, gave_way=Job.gave_way + 1)
    return session.scalar(asked.returning(Job.id)) is not None
