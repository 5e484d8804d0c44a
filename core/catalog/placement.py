"""Which job a worker does next: the rule of `core.jobs.placement`, asked of an index.

The queue is never read through: by every need in it, the rows looked at are the oldest of each project at the highest
priority, and each is found by a descent of `ix_jobs_placement`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Row, and_, bindparam, func, select, text
from sqlalchemy.orm import Session

from core.catalog import pools
from core.catalog.claims import Claimed, claim
from core.catalog.tables import Base, Job
from core.jobs.identity import SPEC_VERSION
from core.jobs.placement import Candidate, Held, Need, Offer, in_turn, place
from core.jobs.states import HELD, State

QUEUED = and_(Job.state == State.QUEUED, Job.spec_version <= SPEC_VERSION)
"""That this version can do a job: what a newer one has asked for, or begun, is left to newer workers."""
_KNOWN = f"state = 'queued' AND spec_version <= {SPEC_VERSION}"
_TURN = "ORDER BY need, priority DESC, project, created_at, id LIMIT 1"
_OF_HEAD = ", ".join(
    f"(SELECT {column} FROM jobs WHERE id = heads.id) AS {column}"
    for column in ("project", "need", "priority", "created_at")
)
_HEADS = f"""
    WITH RECURSIVE heads (id) AS (
        SELECT (SELECT id FROM jobs WHERE {_KNOWN} {_TURN})
        UNION ALL
        SELECT (
            SELECT coalesce(
                (
                    SELECT id FROM jobs
                    WHERE {_KNOWN} AND need = head.need AND priority {{same}} head.priority
                    AND project > head.project {_TURN}
                ),
                (SELECT id FROM jobs WHERE {_KNOWN} AND need > head.need {_TURN})
            )
            FROM jobs AS head WHERE head.id = heads.id
        )
        FROM heads WHERE id IS NOT NULL
    )
    SELECT {_OF_HEAD}, id, NULL AS gpus FROM heads WHERE id IS NOT NULL
    UNION ALL
    SELECT NULL, need, NULL, NULL, NULL, gpus FROM jobs WHERE pool = :pool
"""
# PostgreSQL drops from an order what is known to be equal. What is left is that of other indices too, and where it
# takes most rows for queued it walks one of those, past all jobs that ever ended. Of a range it knows nothing.
_JOBS, _POOLS = Base.metadata.tables["jobs"], Base.metadata.tables["pools"]
_HEADS_IN = {
    dialect: text(_HEADS.format(same=same)).columns(gpus=_JOBS.c.gpus.type)
    for dialect, same in (("sqlite", "="), ("postgresql", "BETWEEN head.priority AND"))
}
# Made once, of tables, and asked of the connection: that halves what a statement costs its asker.
_POOL = select(_POOLS.c.drain, _POOLS.c.kept_for).where(_POOLS.c.name == bindparam("pool")).with_for_update()


@dataclass(frozen=True)
class Choice:
    """A job and the GPUs that it gets; none: it computes on the CPU."""

    job: str
    gpus: tuple[int, ...]


def heads(session: Session) -> list[Candidate]:
    """By need, the oldest queued job of every project that has one at the need's highest priority."""
    return _heads_and_held(session, None)[0]


def _heads_and_held(session: Session, pool: str | None) -> tuple[list[Candidate], list[Held]]:
    """The queue's heads, and what the jobs of a worker have of it, by one question."""
    found: list[Candidate] = []
    held: list[Held] = []
    query = _HEADS_IN[session.get_bind().dialect.name]
    for row in session.connection().execute(query, {"pool": pool}):
        if row.id is None:
            held.append(Held(Need.parse(row.need), tuple(row.gpus or ())))
        else:
            found.append(Candidate(*row[:-1]))
    return found, held


def take(session: Session, pool: str, offer: Offer, slot: str, lease_seconds: float) -> Claimed | None:
    """Claim the job that a worker does next, whatever job it was told of, so that no lost hint starves one.

    Two slots of a worker choose one after the other. Workers that choose at the same instant do not wait for each
    other: one takes what another is not just taking, and does not count what that is about to have.
    """
    for choice in choices(session, pool, offer):
        job = claim(session, choice.job, slot, lease_seconds, pool, choice.gpus)
        if job is not None:
            return job
    return None


def choices(session: Session, pool: str, offer: Offer) -> Iterator[Choice]:
    """The job that a worker does next, and for where another just takes that, the one after it, and so on."""
    row = _locked(session, pool, offer)
    if row.drain:
        return
    # Not before: what another slot of this worker has just taken heads nothing any more.
    found, held = _heads_and_held(session, pool)
    rooms = {need: place(offer, held, Need.parse(need)) for need in {one.need for one in found}}
    fitting = [one for one in found if rooms[one.need] is not None]
    above = None
    if found and row.kept_for is not None:
        kept = session.execute(
            select(Job.id, Job.need, Job.priority).where(Job.id == row.kept_for, QUEUED).with_for_update()
        ).first()
        if kept is not None:
            gpus = place(offer, held, Need.parse(kept.need))
            if gpus is not None:
                yield Choice(kept.id, gpus)
            above = kept.priority
    for job, need in _in_turn(session, fitting, above):
        gpus = rooms[need]
        assert gpus is not None
        yield Choice(job, gpus)


def _locked(session: Session, pool: str, offer: Offer) -> Row[bool, str | None]:
    named = {"pool": pool}
    found = session.connection().execute(_POOL, named).first()
    if found is None:
        pools.enrol(session, pool, offer)
        found = session.connection().execute(_POOL, named).one()
    return found


def _in_turn(
    session: Session, fitting: Collection[Candidate], above: int | None
) -> Iterator[tuple[str, str]]:
    """Job and need: the first in turn, then where another worker just takes it the next one of its project."""
    usage = devices_in_use(session) if len({one.project for one in fitting}) > 1 else {}
    if above is not None:
        fitting = [one for one in fitting if one.priority > above]
    for one in in_turn(fitting, usage):
        yield one.id, one.need
        yield from _first(
            session,
            Job.need == one.need,
            Job.priority.between(one.priority, one.priority),
            Job.project.between(one.project, one.project),
        )
    # All of the highest priority are being taken: what comes after them must not wait for another hint.
    lower = (Job.priority > above,) if above is not None else ()
    for need in dict.fromkeys(one.need for one in fitting):
        yield from _first(session, Job.need == need, *lower)


def _first(session: Session, *conditions: ColumnElement[bool]) -> Iterator[tuple[str, str]]:
    """The first such job that nobody is just taking, if there is one, locked."""
    order = (Job.priority.desc(), Job.project, Job.created_at, Job.id)
    query = select(Job.id, Job.need).where(QUEUED, *conditions).order_by(*order).limit(1)
    for row in session.execute(query.with_for_update(skip_locked=True)):
        yield row.id, row.need


def devices_in_use(session: Session) -> Counter[str]:
    """How many devices the running jobs of each project have; one that computes on a CPU counts as one."""
    rows = session.execute(
        select(Job.project, Job.need, func.count()).where(Job.state.in_(HELD)).group_by(Job.project, Job.need)
    )
    return _counted((project, Need.parse(need).devices * count) for project, need, count in rows)


def _counted(pairs: Iterable[tuple[str, int]]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for project, devices in pairs:
        counted[project] += devices
    return counted
