"""What jobs need of what was made before, and who needs a ticket or a job: nothing is deleted from under them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from core.catalog.tables import Job, Provenance, StudyJob, Ticket
from core.jobs.specs import ConnectSpec, EvaluateSpec, ExportSpec, JobSpec, TrainSpec, TransformSpec
from core.jobs.states import LIVE

MOST_NAMED = 20
"""Ids that a refusal names."""


def tickets_of(spec: JobSpec) -> Sequence[str]:
    """The tickets that a job is given."""
    match spec:
        case TransformSpec():
            return spec.tickets
        case TrainSpec() | EvaluateSpec():
            return spec.tickets or ()
        case ExportSpec():
            return (spec.ticket,)
    return ()


def jobs_of(spec: JobSpec) -> Sequence[str]:
    """The jobs whose trained weights it is given."""
    match spec:
        case EvaluateSpec(job=str(job)):
            return (job,)
        case ConnectSpec():
            return tuple(dict.fromkeys(end.job for end in spec.trainings))
    return ()


def hold(session: Session, spec: JobSpec) -> list[str]:
    """Keep what a job needs from being deleted until this transaction has queued it; what is gone already, by id."""
    wanted = (
        (Ticket.id, tickets_of(spec), ()),
        (Job.id, jobs_of(spec), (Job.weights_dropped_at.is_(None),)),
    )
    gone = []
    for column, ids, whole in wanted:
        if ids:
            rows = select(column).where(column.in_(ids), *whole)
            there = set(session.scalars(rows.with_for_update(read=True, key_share=True)))
            gone += [identity for identity in ids if identity not in there]
    return gone


def unfinished(session: Session, kind: str, identity: str) -> Sequence[str]:
    """The jobs that are not over and were given a ticket or a job, as `kind` says."""
    needing = select(Job.id).where(Job.state.in_(LIVE), _names(kind, identity))
    return session.scalars(needing.limit(MOST_NAMED)).all()


def studies_with_ticket(session: Session, identity: str) -> Sequence[str]:
    """The studies whose jobs made a ticket or were given it."""
    made = select(Provenance.job_id).where(Provenance.ticket_id == identity)
    query = select(StudyJob.study_id).join(Job, Job.id == StudyJob.job_id).distinct()
    ours = or_(Job.id.in_(made), _names("ticket", identity))
    return session.scalars(query.where(ours).limit(MOST_NAMED)).all()


def studies_with_job(session: Session, job_id: str) -> Sequence[str]:
    """The studies that a job is of."""
    query = select(StudyJob.study_id).where(StudyJob.job_id == job_id).distinct()
    return session.scalars(query.limit(MOST_NAMED)).all()


def trained_for_others(session: Session, job_ids: Iterable[str]) -> set[str]:
    """Of some jobs those whose weights a job needs that is not over."""
    wanted = set(job_ids)
    given = select(Job.spec).where(Job.state.in_(LIVE), Job.kind.in_(("evaluate", "connect")))
    named = set()
    for spec in session.scalars(given):
        named.add(spec.get("job"))
        named.update(end["job"] for end in spec.get("trainings") or ())
    return wanted & named


def of_studies(session: Session, job_ids: Iterable[str]) -> set[str]:
    """Of some jobs those that are of a study."""
    return set(session.scalars(select(StudyJob.job_id).where(StudyJob.job_id.in_(list(job_ids)))))


def _names(kind: str, identity: str) -> ColumnElement[bool]:
    """Whether a job's `about` says that it was given something."""
    return Job.about.contains(f" {kind}:{identity} ")
