"""Who works, what waits and what ended: read from jobs and attempts, the only trace that a worker leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, func, literal, or_, select
from sqlalchemy.orm import Session

from core.catalog import pools
from core.catalog.demand import Demand, demand
from core.catalog.depth import announcements, expired_leases
from core.catalog.jobs import clock
from core.catalog.scope import DEFAULT
from core.catalog.tables import Attempt, Job, Run
from core.catalog.tables import Pool as PoolRow
from core.jobs.states import HELD, State

HOUR, DAY = 3600, 86_400
HOURS, DAYS = 24, 7
LATE = 5.0
"""Seconds. Dispatchers announce ten times a second: what waits so long for it waits for one, or for the broker."""


@dataclass(frozen=True)
class Held:
    """A job that a worker holds. `silent`: its lease ran out, and no dispatcher has ended it yet."""

    job: str
    kind: str
    state: str
    since: float
    silent: bool


@dataclass(frozen=True)
class Worker:
    """One process that takes jobs, one at a time. Counted are the attempts that it ended in the last 24 hours.

    `lost`: those that ended with no result. `device`: as its latest training tells; None where it did none.
    """

    name: str
    device: str | None
    holds: tuple[Held, ...]
    last_seen: float
    succeeded: int
    failed: int
    cancelled: int
    lost: int


@dataclass(frozen=True)
class Pool:
    """A worker with its slots, and what it offers; memory in MiB, 0 where not known. `drained`: it takes no more jobs.

    `live`: it was heard of lately. `held`: its slots that have a job.
    """

    name: str
    slots: int
    held: int
    gpus: int
    gpu_memory_mib: int
    memory_mib: int
    takes: tuple[str, ...]
    drained: bool
    live: bool
    started_at: float
    seen_at: float


@dataclass(frozen=True)
class Queue:
    """What is to be done. `oldest_seconds`: since when the longest queued job was asked for."""

    queued: int
    waiting: int
    running: int
    cancelling: int
    oldest_seconds: float | None


@dataclass(frozen=True)
class Dispatch:
    """What the database can tell of dispatchers and their broker: how well they keep up.

    `unannounced`: queued jobs of which no worker was told yet, `oldest_seconds`: for how long; `expired`: leases that
    ran out and were not ended; `announced_at`: when the newest job of which workers heard was announced, or begun.
    """

    unannounced: int
    oldest_seconds: float | None
    expired: int
    announced_at: float | None

    @property
    def late(self) -> bool:
        """Whether announcements wait for a dispatcher, or it for its broker."""
        return self.oldest_seconds is not None and self.oldest_seconds > LATE


@dataclass(frozen=True)
class Hour:
    """The jobs that ended in one hour, which began at `start`."""

    start: float
    succeeded: int
    failed: int
    cancelled: int


@dataclass(frozen=True)
class Day:
    """What attempts took of the devices on one day, which began at `start`."""

    start: float
    device_seconds: float


@dataclass(frozen=True)
class Fleet:
    """All of it at one moment; workers at work first, then those last seen. Pools are the default project's alone."""

    at: float
    pools: tuple[Pool, ...]
    demand: tuple[Demand, ...]
    workers: tuple[Worker, ...]
    queue: Queue
    dispatch: Dispatch
    hours: tuple[Hour, ...]
    days: tuple[Day, ...]


def fleet(session: Session) -> Fleet:
    """The fleet now: the workers that held a job within 24 hours, 24 hours of jobs, 7 days (UTC) of device time."""
    at = clock(session)
    return Fleet(
        at,
        _pools(session, at),
        tuple(demand(session)),
        tuple(_workers(session, at)),
        _queue(session, at),
        _dispatch(session, at),
        _hours(session, at),
        _days(session, at),
    )


def _pools(session: Session, at: float) -> tuple[Pool, ...]:
    """The installation's workers, by name; for a session of another project than the default there are none."""
    if session.info.get("project") not in (None, DEFAULT):
        return ()
    held = pools.running(session)
    rows = session.scalars(select(PoolRow).order_by(PoolRow.name))
    return tuple(pool_of(row, held.get(row.name, 0), at) for row in rows)


def pool_of(row: PoolRow, held: int, at: float) -> Pool:
    """A worker's row as it is shown."""
    return Pool(
        row.name,
        row.slots,
        held,
        row.gpus,
        row.gpu_memory,
        row.memory,
        tuple(row.takes.split(",")),
        row.drain,
        row.seen_at >= at - pools.LIVE_SECONDS,
        row.started_at,
        row.seen_at,
    )


def _workers(session: Session, at: float) -> Sequence[Worker]:
    since = at - HOURS * HOUR
    holds: dict[str, list[Held]] = defaultdict(list)
    held = select(Job.worker, Job.id, Job.kind, Job.state, Job.started_at, Job.lease_until).where(
        Job.state.in_(HELD)
    )
    for name, job, kind, state, started, lease in session.execute(held):
        silent = lease is None or lease < at
        holds[name or ""].append(Held(job, kind, state, started or at, silent))
    devices = _devices(session, since)
    ended, failed = Attempt.outcome, Attempt.outcome.like("failed: %")
    seen = (
        select(
            Attempt.worker,
            func.max(func.coalesce(Attempt.ended_at, at)),
            func.count(ended),
            *(
                func.sum(case((which, 1), else_=0))
                for which in (ended == "succeeded", failed, ended == "cancelled")
            ),
        )
        .where(or_(Attempt.ended_at.is_(None), Attempt.ended_at >= since))
        .group_by(Attempt.worker)
    )
    found = [
        Worker(name, devices.get(name), tuple(holds[name]), last, good, bad, off, every - good - bad - off)
        for name, last, every, good, bad, off in session.execute(seen)
    ]
    return sorted(found, key=lambda one: (not one.holds, -one.last_seen if not one.holds else 0, one.name))


def _devices(session: Session, since: float) -> Mapping[str, str]:
    """By worker, the device of the latest job in which it trained something itself."""
    own = select(Run.job_id).where(Run.job_id == Attempt.job_id, Run.shared.is_(False)).exists()
    latest = (
        select(
            Attempt.worker,
            Attempt.job_id,
            func.row_number()
            .over(partition_by=Attempt.worker, order_by=Attempt.ended_at.desc())
            .label("place"),
        )
        .where(Attempt.outcome == "succeeded", Attempt.ended_at >= since, own)
        .subquery()
    )
    told = (
        select(latest.c.worker, Run.fingerprint)
        .join(Run, Run.job_id == latest.c.job_id)
        .where(latest.c.place == 1, Run.shared.is_(False))
    )
    return {name: print_["device"] for name, print_ in session.execute(told) if "device" in print_}


def _queue(session: Session, at: float) -> Queue:
    states = (State.QUEUED, State.WAITING, *HELD)
    grouped = select(Job.state, func.count()).where(Job.state.in_(states)).group_by(Job.state)
    counts = dict(session.execute(grouped).all())
    oldest = session.scalar(select(func.min(Job.created_at)).where(Job.state == State.QUEUED))
    return Queue(
        queued=counts.get(State.QUEUED, 0),
        waiting=counts.get(State.WAITING, 0),
        running=counts.get(State.RUNNING, 0),
        cancelling=counts.get(State.CANCELLING, 0),
        oldest_seconds=None if oldest is None else max(0.0, at - oldest),
    )


def _dispatch(session: Session, at: float) -> Dispatch:
    outbox = announcements(session, at)
    # One that was taken at once was never noted as announced.
    heard = func.coalesce(Job.hinted_at, Job.started_at)
    return Dispatch(
        unannounced=outbox.jobs,
        oldest_seconds=outbox.oldest_seconds if outbox.jobs else None,
        expired=expired_leases(session, at),
        announced_at=session.scalar(
            select(heard).where(heard.is_not(None)).order_by(Job.created_at.desc(), Job.id.desc()).limit(1)
        ),
    )


def _hours(session: Session, at: float) -> tuple[Hour, ...]:
    last = int(at // HOUR)
    first = last - HOURS + 1
    ended = (
        select(func.floor(Job.finished_at / HOUR).label("hour"), Job.state)
        .where(Job.finished_at >= first * HOUR)
        .subquery()
    )
    counts = {
        (int(hour), state): count
        for hour, state, count in session.execute(
            select(ended.c.hour, ended.c.state, func.count()).group_by(ended.c.hour, ended.c.state)
        )
    }
    return tuple(
        Hour(
            float(hour * HOUR),
            *(counts.get((hour, state), 0) for state in (State.SUCCEEDED, State.FAILED, State.CANCELLED)),
        )
        for hour in range(first, last + 1)
    )


def _days(session: Session, at: float) -> tuple[Day, ...]:
    """An attempt counts on every day that it was at work, for as long as it was."""
    today = int(at // DAY)
    starts = [float(day * DAY) for day in range(today - DAYS + 1, today + 1)]
    ended = func.coalesce(Attempt.ended_at, at)
    devices = func.coalesce(Job.spec["devices"].as_integer(), 1)
    sums = [func.sum(_within(ended, start, start + DAY) * devices) for start in starts]
    taken = session.execute(select(*sums).join(Job, Job.id == Attempt.job_id).where(ended > starts[0])).one()
    return tuple(Day(start, float(seconds or 0)) for start, seconds in zip(starts, taken, strict=True))


def _within(ended: ColumnElement[float], start: float, end: float) -> ColumnElement[float]:
    """How many seconds of an attempt lie between two times."""
    begun = case((Attempt.started_at > start, Attempt.started_at), else_=literal(start))
    over = case((ended < end, ended), else_=literal(end))
    return case((over > begun, over - begun), else_=literal(0.0))
