"""What the worker that holds a job may write. Every write is guarded by the attempt number, its fencing token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Double,
    FromClause,
    Select,
    Table,
    Update,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Session

from core.catalog import tickets
from core.catalog.chain import Chain
from core.catalog.database import now
from core.catalog.jobs import JobEvent, enqueue, moved, record, state_told, tell_state, transition
from core.catalog.scope import WITH_DELETED
from core.catalog.tables import Attempt, Base, Checkpoint, Job
from core.jobs.outcome import Failure, Outcome
from core.jobs.states import HELD, TERMINAL, State, sources
from core.tickets import TicketFile

SILENT = "went silent"
"""How the reason ends for which an attempt is over whose lease ran out."""
STOPPED = "the worker was stopped"


def _unless_none(table: Table, *names: str) -> dict[str, Any]:
    """Columns that get what is given under the name `new_…`, or stay as they are where that is None."""
    return {
        name: func.coalesce(bindparam(f"new_{name}", None, table.c[name].type), table.c[name])
        for name in names
    }


# Of tables, and asked of the connection: every job has these asked, and as objects they take thrice the time.
_JOBS, _TABLE = Base.metadata.tables["jobs"], Base.metadata.tables["attempts"]
_MINE = (_TABLE.c.job_id == bindparam("job"), _TABLE.c.attempt == bindparam("token"))
_ENDED = update(_TABLE).where(*_MINE).values(ended_at=now(), outcome=bindparam("how"))
_TOLD = update(_TABLE).where(*_MINE).values(_unless_none(_TABLE, "device", "usage"))
_RENEWED = (
    update(_JOBS)
    .where(
        _JOBS.c.id == bindparam("job"),
        _JOBS.c.attempt == bindparam("token"),
        _JOBS.c.state.in_(HELD),
    )
    .values(
        _unless_none(_JOBS, "progress")
        | {
            "lease_until": now() + bindparam("lease", None, Double()),
            "last_event": _JOBS.c.last_event + bindparam("events"),
        }
    )
    .returning(_JOBS.c.state, _JOBS.c.gives_way, _JOBS.c.last_event)
)
_RUNS, _RESULTS = insert(Base.metadata.tables["runs"]), insert(Base.metadata.tables["results"])

REQUEUED: dict[str, Any] = {
    "lease_until": None,
    "worker": None,
    "pool": None,
    "gpus": None,
    "gives_way": None,
    "hinted_at": None,
}


@dataclass(frozen=True)
class Saved:
    """A training state that now lies in the job's scratch store."""

    training: str
    step: int
    complete: bool
    digest: str


@dataclass
class Report:
    """What a running attempt has to say since it last did."""

    events: list[JobEvent] = field(default_factory=list)
    checkpoints: list[Saved] = field(default_factory=list)
    progress: dict[str, Any] | None = None
    device: str | None = None
    usage: dict[str, Any] | None = None


@dataclass(frozen=True)
class Beat:
    """The job's state, None where this attempt no longer holds it, and the training states no longer pointed to.

    `gives_way`: why the job is to go back to the queue, where it is.
    """

    state: State | None
    dropped: frozenset[str] = frozenset()
    gives_way: str | None = None


def heartbeat(session: Session, job_id: str, attempt: int, lease_seconds: float, report: Report) -> Beat:
    """Renew the lease and record a report."""
    mine = {"job": job_id, "token": attempt}
    news = {"lease": lease_seconds, "events": len(report.events), "new_progress": report.progress}
    held = session.connection().execute(_RENEWED, mine | news).first()
    if held is None:
        return Beat(None)
    record(session, job_id, attempt, held.last_event, report.events)
    if report.device is not None or report.usage is not None:
        told = {"new_device": report.device, "new_usage": report.usage}
        session.connection().execute(_TOLD, mine | told)
    dropped = {
        digest for saved in report.checkpoints for digest in _point_to(session, job_id, attempt, saved)
    }
    if dropped:
        # Two attempts that saved the same step of an exact training saved the same bytes.
        dropped -= set(session.scalars(select(Checkpoint.digest).where(Checkpoint.job_id == job_id)))
    return Beat(State(held.state), frozenset(dropped), held.gives_way)


def _point_to(session: Session, job_id: str, attempt: int, saved: Saved) -> list[str]:
    """Keep the two latest states of a training, the older in case the newer is torn; of a finished one, its end.

    The digests of the states dropped.
    """
    session.merge(
        Checkpoint(
            job_id=job_id,
            training=saved.training,
            step=saved.step,
            attempt=attempt,
            complete=saved.complete,
            digest=saved.digest,
        )
    )
    session.flush()
    rows = session.scalars(_latest_first(job_id).where(Checkpoint.training == saved.training)).all()
    old = rows[1 if saved.complete else 2 :]
    for row in old:
        session.delete(row)
    session.flush()
    return [row.digest for row in old]


def _latest_first(job_id: str) -> Select[Checkpoint]:
    """By attempt before step: one that found every state torn started over, and earlier steps are all there is."""
    return (
        select(Checkpoint)
        .where(Checkpoint.job_id == job_id)
        .order_by(Checkpoint.attempt.desc(), Checkpoint.step.desc())
    )


def checkpoints(session: Session, job_id: str) -> list[Saved]:
    """Every training state of a job that may be resumed from, the latest of each training first."""
    rows = session.scalars(_latest_first(job_id))
    return [Saved(row.training, row.step, row.complete, row.digest) for row in rows]


@dataclass(frozen=True)
class ProducedFile:
    """A ticket file that a job wrote: the ticket's id, the file's digest and content, its dense weights by step.

    `lost`: the digest of the ticket's present file, where that is no longer in the store.
    """

    identity: str
    digest: str
    file: TicketFile
    weights: Mapping[str, str] = field(default_factory=dict)
    lost: str | None = None


def succeed(
    session: Session,
    job_id: str,
    attempt: int,
    outcome: Outcome,
    files: Sequence[ProducedFile],
    tags: Sequence[str] = (),
) -> bool:
    """Record everything a job produced, and that it succeeded, in one transaction; False where the token is stale.

    `tags` go on the tickets, as far as those have room for them.
    """
    if not _finish(session, job_id, attempt, State.SUCCEEDED, "succeeded"):
        return False
    for produced in files:
        tickets.register(
            session,
            produced.identity,
            produced.file,
            produced.digest,
            job_id=job_id,
            weights=produced.weights,
            lost=produced.lost,
        )
        with suppress(tickets.TooManyTags):
            tickets.tag(session, produced.identity, tags)
    for copy in outcome.copies:
        tickets.add_copy(session, copy.ticket_id, copy.format, copy.digest)
    for table, made in ((_RUNS, outcome.runs), (_RESULTS, outcome.results)):
        if made:
            rows = [{"job_id": job_id, "ordinal": i, **vars(one)} for i, one in enumerate(made)]
            session.connection().execute(table, rows)
    return True


def fail(session: Session, job_id: str, attempt: int, failure: Failure) -> bool:
    """Record that a job failed, and why; False where the token is stale."""
    outcome = f"failed: {failure.message}"
    return _finish(session, job_id, attempt, State.FAILED, outcome, {"error": failure.as_json()})


def stopped(session: Session, job_id: str, attempt: int) -> bool:
    """Record that a job which was asked to stop has stopped; False where the token is stale."""
    return _finish(session, job_id, attempt, State.CANCELLED, "cancelled")


def _finish(
    session: Session, job_id: str, attempt: int, to: State, outcome: str, values: dict[str, Any] | None = None
) -> bool:
    given = {f"new_{name}": value for name, value in (values or {}).items()}
    told = {"told": state_told(to, values), "how": outcome}
    finish = _finishing(to, tuple(values or ()))
    return finish.do(session, {"job": job_id, "token": attempt, **given, **told}) is not None


def _end_its_attempt(job: FromClause) -> Update:
    its = (_TABLE.c.job_id == job.c.id, _TABLE.c.attempt == job.c.attempt)
    return update(_TABLE).where(*its).values(ended_at=now(), outcome=bindparam("how"))


@lru_cache
def _finishing(to: State, names: tuple[str, ...]) -> Chain:
    held = (_JOBS.c.id == bindparam("job"), _JOBS.c.attempt == bindparam("token"))
    finished = moved(_JOBS.c, to) | {name: bindparam(f"new_{name}") for name in names}
    finish = update(_JOBS).where(*held, _JOBS.c.state.in_(sources(to))).values(finished)
    return Chain(
        finish.returning(_JOBS.c.id, _JOBS.c.attempt, _JOBS.c.last_event), tell_state, _end_its_attempt
    )


def lose(session: Session, job_id: str, attempt: int, reason: str) -> State | None:
    """End an attempt that died: back to the queue, or failed at the last attempt, or cancelled where that was asked.

    An attempt that saved a training state has made progress and does not count: a long job outlives any number of
    hosts. The job's state afterwards; None where the token is stale.
    """
    job = _held(session, job_id, attempt)
    if job is None:
        return None
    saved = exists().where(Checkpoint.job_id == job_id, Checkpoint.attempt == attempt)
    return _lose(session, job, reason, counts=not session.scalar(select(saved)))


def give_back(session: Session, job_id: str, attempt: int, reason: str = STOPPED) -> State | None:
    """Requeue a job that was to leave its worker; such an attempt does not count against the limit."""
    job = _held(session, job_id, attempt)
    return None if job is None else _lose(session, job, reason, counts=False)


def _held(session: Session, job_id: str, attempt: int) -> Job | None:
    """The job, locked, if this attempt holds it: nobody can ask for its cancellation meanwhile."""
    held = (Job.attempt == attempt, Job.state.in_(HELD))
    query = select(Job).where(Job.id == job_id, *held).with_for_update()
    return session.scalar(query.execution_options(populate_existing=True))


def _lose(session: Session, job: Job, reason: str, *, counts: bool) -> State:
    limit = job.max_attempts if counts else job.max_attempts + 1
    if job.state == State.CANCELLING:
        ended = transition(session, job.id, State.CANCELLED, attempt=job.attempt)
    elif job.attempt >= limit:
        failure = Failure("attempts_exhausted", f"{reason}; this was attempt {job.attempt} of {limit}")
        ended = transition(
            session, job.id, State.FAILED, attempt=job.attempt, values={"error": failure.as_json()}
        )
    else:
        ended = transition(
            session, job.id, State.QUEUED, attempt=job.attempt, values=REQUEUED | {"max_attempts": limit}
        )
        enqueue(session, job.id, job.need)
    assert ended is not None, "the row is locked"
    _end(session, job.id, job.attempt, reason)
    return State(ended.state)


def _end(session: Session, job_id: str, attempt: int, outcome: str) -> None:
    """End the attempt of a job that was found to be this session's, and its."""
    session.connection().execute(_ENDED, {"job": job_id, "token": attempt, "how": outcome})


def has_ended(session: Session, job_id: str) -> bool | None:
    """Whether a job is over; None where there is no such job (yet)."""
    query = select(Job.state).where(Job.id == job_id)
    state = session.scalar(query, execution_options=WITH_DELETED)
    return None if state is None else state in TERMINAL


def forget_checkpoints(session: Session, job_id: str) -> None:
    """Drop the pointers to a job's training states."""
    session.execute(delete(Checkpoint).where(Checkpoint.job_id == job_id))


def devices(session: Session, held: Sequence[Job]) -> dict[str, str]:
    """What the latest attempts of these jobs compute on, by job, as far as their trainers have said so."""
    rows = select(Attempt.job_id, Attempt.attempt, Attempt.device).where(
        Attempt.job_id.in_([job.id for job in held])
    )
    latest = {(job.id, job.attempt) for job in held}
    return {
        job_id: device
        for job_id, attempt, device in session.execute(rows)
        if device is not None and (job_id, attempt) in latest
    }
