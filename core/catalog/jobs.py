"""Jobs as their users see them: create, watch, cancel, retry. Every function runs in its caller's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import FromClause, Insert, bindparam, insert, literal, select, update
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.dml import ReturningUpdate

from core import tracing
from core.catalog import bell, reuse
from core.catalog.database import now
from core.catalog.scope import project_of
from core.catalog.search import about
from core.catalog.tables import Base, Event, Job
from core.jobs.identity import SPEC_VERSION
from core.jobs.placement import need_of
from core.jobs.specs import JobSpec
from core.jobs.states import RETRYABLE, STATES, State, sources

CANCELLABLE = (sources(State.CANCELLED) | sources(State.CANCELLING)) - {State.CANCELLING}
"""The states in which asking a job to stop changes something."""

# Straight into the table, by the connection: whoever writes these rows never reads them back, and as objects they take
# thrice the time.
_TABLES = Base.metadata.tables
_JOBS = insert(_TABLES["jobs"]).returning(_TABLES["jobs"].c.id, _TABLES["jobs"].c.created_at)
_NOTHING_YET = dict.fromkeys(column.name for column in _TABLES["jobs"].c if column.nullable)
_EVENTS = insert(_TABLES["events"])
_OUTBOX = insert(_TABLES["outbox"]).returning(_TABLES["outbox"].c.id)
_OUTBOX_ALL = insert(_TABLES["outbox"])


@dataclass(frozen=True)
class JobEvent:
    """Something to record about a job: `kind` names the shape of `data`."""

    kind: str
    data: dict[str, Any]


def new_id() -> str:
    """An id for a job that is yet to be created."""
    return uuid.uuid4().hex


@dataclass(frozen=True)
class New:
    """A job to be queued.

    `id` is given where something was filed under it beforehand, `digest` where the job may answer later ones. Its
    trace is that of whoever makes this.
    """

    spec: JobSpec
    max_attempts: int
    retry_of: str | None = None
    id: str = field(default_factory=new_id)
    digest: str | None = None
    priority: int = 0
    trace: str | None = field(default_factory=tracing.carrier)


def create(
    session: Session,
    spec: JobSpec,
    max_attempts: int,
    retry_of: str | None = None,
    job_id: str | None = None,
    digest: str | None = None,
    priority: int = 0,
) -> Job:
    """Queue one job."""
    (job,) = create_all(session, [New(spec, max_attempts, retry_of, job_id or new_id(), digest, priority)])
    return job


def create_all(session: Session, wanted: Sequence[New]) -> list[Job]:
    """Queue jobs: their rows, their first events and their outbox rows, in one transaction."""
    rows = [_row(session, one) for one in wanted]
    if not rows:
        return []
    times = {row.id: row.created_at for row in session.connection().execute(_JOBS, rows)}
    made = []
    for row in rows:
        # As if the session itself had made it, which would take five times as long.
        job = Job(**_NOTHING_YET | row, created_at=times[row["id"]])
        make_transient_to_detached(job)
        session.add(job)
        made.append(_not_begun(job))
    queued = {"seq": 1, "attempt": 0, "kind": "state", "data": {"state": State.QUEUED}}
    session.connection().execute(_EVENTS, [{"job_id": job.id, **queued} for job in made])
    if len(made) == 1:
        enqueue(session, made[0].id, made[0].need)
    else:
        enqueue_all(session, [job.id for job in made])
    return made


def _row(session: Session, new: New) -> dict[str, Any]:
    return {
        "id": new.id,
        "project": project_of(session),
        "kind": new.spec.kind,
        "state": State.QUEUED,
        "spec": new.spec.model_dump(mode="json"),
        "max_attempts": new.max_attempts,
        "retry_of": new.retry_of,
        "digest": new.digest,
        "priority": new.priority,
        "need": str(need_of(new.spec)),
        "about": about(session, new.spec),
        "last_event": 1,
        "trace": new.trace,
        "attempt": 0,
        "gave_way": 0,
        "spec_version": SPEC_VERSION,
    }


def _not_begun(job: Job) -> Job:
    """The job, of which nothing needs to be looked for that it has not."""
    for rows in ("attempts", "runs", "results", "outputs"):
        set_committed_value(job, rows, [])
    return job


def enqueue(session: Session, job_id: str, need: str) -> None:
    """Have the job announced to the workers once this transaction commits."""
    number = session.connection().scalar(_OUTBOX, {"job_id": job_id})
    bell.ring(session, f"{number} {job_id} {need}")


def enqueue_all(session: Session, job_ids: Sequence[str]) -> None:
    """Have jobs announced, all of them at a look at the outbox."""
    if job_ids:
        session.connection().execute(_OUTBOX_ALL, [{"job_id": job_id} for job_id in job_ids])
        bell.ring(session, "")


def clock(session: Session) -> float:
    """The database's time, by which every timestamp of a job was written: seconds since 1970."""
    return session.scalars(select(now())).one()


def get(session: Session, job_id: str) -> Job | None:
    """One job."""
    job = session.get(Job, job_id)
    if job is None or job.deleted_at is not None:
        return None
    return _not_begun(job) if job.attempt == 0 else job


def events_after(
    session: Session, job_id: str, seq: int, limit: int = 500, kind: str | None = None
) -> Sequence[Event]:
    """A job's events past `seq`, in order; all of them, or one kind's."""
    query = select(Event).where(Event.job_id == job_id, Event.seq > seq).order_by(Event.seq).limit(limit)
    return session.scalars(query if kind is None else query.where(Event.kind == kind)).all()


@dataclass(frozen=True)
class Glimpse:
    """As much of a job as tells whether there is news of it."""

    id: str
    state: str
    last_event: int
    progress: dict[str, Any] | None


def glimpses(session: Session, job_ids: Iterable[str]) -> list[Glimpse]:
    """How some jobs are now."""
    columns = (Job.id, Job.state, Job.last_event, Job.progress)
    rows = session.execute(select(*columns).where(Job.id.in_(list(job_ids))))
    return [Glimpse(*row) for row in rows]


def record(session: Session, job_id: str, attempt: int, last: int, events: Sequence[JobEvent]) -> None:
    """Record events, the last of which has number `last`.

    Who counted them in the job's row has it locked: numbers follow the order of commits.
    """
    if events:
        first = last - len(events) + 1
        rows = [
            {"job_id": job_id, "seq": first + i, "attempt": attempt, "kind": event.kind, "data": event.data}
            for i, event in enumerate(events)
        ]
        session.connection().execute(_EVENTS, rows)


def transition(
    session: Session,
    job_id: str,
    to: State,
    *,
    attempt: int | None = None,
    only_from: State | None = None,
    values: dict[str, Any] | None = None,
) -> Job | None:
    """Move a job to `to` if the state table and the fencing token allow it; None where they do not.

    `attempt` is the token of a writer that holds the job; a user's request has none. `values` are set with it.
    """
    moving = _moving(to, only_from, attempt is not None, tuple(values or ()))
    token = {} if attempt is None else {"token": attempt}
    given = {f"new_{name}": value for name, value in (values or {}).items()}
    job: Job | None = session.scalar(moving, {"job": job_id, **token, **given})
    if job is not None:
        told = JobEvent("state", state_told(to, values))
        record(session, job_id, job.attempt, job.last_event, [told])
    return job


@lru_cache
def _moving(to: State, only_from: State | None, held: bool, names: tuple[str, ...]) -> ReturningUpdate[Any]:
    """Made once: that takes longer than to ask it."""
    allowed = sources(to) if only_from is None else sources(to) & {only_from}
    guard = [Job.id == bindparam("job"), Job.state.in_(allowed)]
    if held:
        guard.append(Job.attempt == bindparam("token"))
    columns = moved(Job, to) | {name: bindparam(f"new_{name}") for name in names}
    moving = update(Job).where(*guard).values(columns).returning(Job)
    return moving.execution_options(populate_existing=True, synchronize_session=False)


def moved(job: Any, to: State) -> dict[str, Any]:
    """What is set of a job that comes to a state; `job` has its columns."""
    columns: dict[str, Any] = {"state": to, "last_event": job.last_event + 1}
    if STATES[to].terminal:
        columns |= {"finished_at": now(), "lease_until": None, "pool": None}
    return columns


def state_told(to: State, values: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the event says of that."""
    return {"state": to, **{name: value for name, value in (values or {}).items() if name == "error"}}


def tell_state(job: FromClause) -> Insert:
    """Record, as `told`, the event of a job that was just moved."""
    events = _TABLES["events"]
    names = ("job_id", "seq", "attempt", "kind", "data")
    told = (literal("state"), bindparam("told", None, events.c.data.type))
    row = select(job.c.id, job.c.last_event, job.c.attempt, *told)
    return insert(events).from_select(names, row, include_defaults=False)


def cancel(session: Session, job_id: str) -> Job | None:
    """Cancel a job that waits at once, ask a running one to stop; None where it has already ended."""
    return (
        transition(session, job_id, State.CANCELLED, only_from=State.QUEUED)
        or transition(session, job_id, State.CANCELLED, only_from=State.WAITING)
        or transition(session, job_id, State.CANCELLING)
    )


def retry(
    session: Session, job: Job, spec: JobSpec, max_attempts: int, priority: int | None = None
) -> Job | None:
    """A new job with the spec, and the priority if no other is given, of one that failed or was cancelled.

    None in any other state.
    """
    if State(job.state) not in RETRYABLE:
        return None
    return create(
        session,
        spec,
        max_attempts,
        retry_of=job.id,
        digest=reuse.digest(session, spec),
        priority=job.priority if priority is None else priority,
    )
