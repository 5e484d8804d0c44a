"""What the worker that holds a job may write. Every write is guarded by the attempt number, its fencing token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core.catalog import tickets
from core.catalog.database import now
from core.catalog.jobs import JobEvent, append_events, enqueue, transition
from core.catalog.tables import Attempt, Checkpoint, Job, Result, Run
from core.jobs.outcome import Failure, Outcome
from core.jobs.states import TERMINAL, State
from core.tickets import TicketFile

REQUEUED = {"lease_until": None, "worker": None, "hinted_at": None}


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


def claim(session: Session, job_id: str, worker: str, lease_seconds: float) -> Job | None:
    """Take a queued job; None where it is not queued (any more). Two claims of one job cannot both succeed."""
    job = transition(
        session,
        job_id,
        State.RUNNING,
        values={
            "attempt": Job.attempt + 1,
            "worker": worker,
            "lease_until": now() + lease_seconds,
            "started_at": now(),
        },
    )
    if job is not None:
        session.add(Attempt(job_id=job_id, attempt=job.attempt, worker=worker))
    return job


def heartbeat(
    session: Session, job_id: str, attempt: int, lease_seconds: float, report: Report
) -> State | None:
    """Renew the lease and record a report; the job's state, or None where this attempt no longer holds the job."""
    values: dict[str, Any] = {"lease_until": now() + lease_seconds}
    if report.progress is not None:
        values["progress"] = report.progress
    state = session.scalar(
        update(Job)
        .where(Job.id == job_id, Job.attempt == attempt, Job.state.in_((State.RUNNING, State.CANCELLING)))
        .values(**values)
        .returning(Job.state)
    )
    if state is None:
        return None
    append_events(session, job_id, attempt, report.events)
    for saved in report.checkpoints:
        _point_to(session, job_id, attempt, saved)
    return State(state)


def _point_to(session: Session, job_id: str, attempt: int, saved: Saved) -> None:
    """Keep the two latest states of a training, the older in case the newer is torn; of a finished one, its end."""
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
    rows = session.scalars(
        select(Checkpoint)
        .where(Checkpoint.job_id == job_id, Checkpoint.training == saved.training)
        .order_by(Checkpoint.complete.desc(), Checkpoint.step.desc(), Checkpoint.attempt.desc())
    ).all()
    for row in rows[1 if saved.complete else 2 :]:
        session.delete(row)


def checkpoints(session: Session, job_id: str) -> list[Saved]:
    """Every training state of a job that may be resumed from, the most advanced of each training first."""
    rows = session.scalars(
        select(Checkpoint)
        .where(Checkpoint.job_id == job_id)
        .order_by(Checkpoint.complete.desc(), Checkpoint.step.desc(), Checkpoint.attempt.desc())
    )
    return [Saved(row.training, row.step, row.complete, row.digest) for row in rows]


def succeed(
    session: Session, job_id: str, attempt: int, outcome: Outcome, files: Sequence[TicketFile]
) -> bool:
    """Record everything a job produced, and that it succeeded, in one transaction; False where the token is stale."""
    job = transition(session, job_id, State.SUCCEEDED, attempt=attempt)
    if job is None:
        return False
    for file, produced in zip(files, outcome.tickets, strict=True):
        tickets.register(session, file, produced.digest, job_id=job_id)
    session.add_all(Run(job_id=job_id, ordinal=i, **run) for i, run in enumerate(map(vars, outcome.runs)))
    session.flush()
    session.add_all(
        Result(job_id=job_id, ordinal=i, **result) for i, result in enumerate(map(vars, outcome.results))
    )
    _end(session, job_id, attempt, "succeeded")
    return True


def fail(session: Session, job_id: str, attempt: int, failure: Failure) -> bool:
    """Record that a job failed, and why; False where the token is stale."""
    job = transition(session, job_id, State.FAILED, attempt=attempt, values={"error": failure.as_json()})
    if job is None:
        return False
    _end(session, job_id, attempt, f"failed: {failure.message}")
    return True


def stopped(session: Session, job_id: str, attempt: int) -> bool:
    """Record that a job which was asked to stop has stopped."""
    job = transition(session, job_id, State.CANCELLED, attempt=attempt)
    if job is None:
        return False
    _end(session, job_id, attempt, "cancelled")
    return True


def lose(session: Session, job: Job, reason: str) -> State | None:
    """End an attempt that died: back to the queue, or failed at the last attempt, or cancelled where that was asked."""
    token = job.attempt
    if job.state == State.CANCELLING:
        ended = transition(session, job.id, State.CANCELLED, attempt=token)
    elif token >= job.max_attempts:
        failure = Failure("attempts_exhausted", f"{reason}; this was attempt {token} of {job.max_attempts}")
        ended = transition(session, job.id, State.FAILED, attempt=token, values={"error": failure.as_json()})
    else:
        ended = transition(session, job.id, State.QUEUED, attempt=token, values=REQUEUED)
        if ended is not None:
            enqueue(session, job.id)
    if ended is None:
        return None
    _end(session, job.id, token, reason)
    return State(ended.state)


def give_back(session: Session, job_id: str, attempt: int) -> State | None:
    """Requeue the job of a worker that is being shut down; such an attempt does not count against the limit."""
    session.execute(
        update(Job).where(Job.id == job_id, Job.attempt == attempt).values(max_attempts=Job.max_attempts + 1)
    )
    job = session.get(Job, job_id, populate_existing=True)
    return (
        lose(session, job, "the worker was stopped") if job is not None and job.attempt == attempt else None
    )


def _end(session: Session, job_id: str, attempt: int, outcome: str) -> None:
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == job_id, Attempt.attempt == attempt)
        .values(ended_at=now(), outcome=outcome)
    )


def forget_checkpoints(session: Session, job_id: str) -> bool:
    """Drop the pointers to an ended job's training states; False where the job goes on and needs them."""
    state = session.scalar(select(Job.state).where(Job.id == job_id))
    if state not in TERMINAL:
        return False
    session.execute(delete(Checkpoint).where(Checkpoint.job_id == job_id))
    return True
