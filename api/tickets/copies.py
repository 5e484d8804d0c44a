"""A ticket's file in other formats: made once by an export job, then kept."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from api import limits
from api.deletion import absent
from api.jobs.schemas import JobBody
from api.problems import EXPORT_FAILED, Rejected
from api.tickets.formats import downloads
from api.tickets.service import existing
from core.catalog import audit, jobs, tickets
from core.catalog.artifacts import ArtifactStore
from core.catalog.database import Database
from core.catalog.tables import Job, Ticket
from core.jobs.specs import ExportSpec
from core.jobs.states import TERMINAL, State
from core.settings import Settings


def find_or_queue(
    database: Database,
    store: ArtifactStore,
    settings: Settings,
    identity: str,
    format: str,  # noqa: A002
) -> tuple[str | None, str | None]:
    """The digest of a ticket's copy; or, while there is none, the job that makes it, which may be at it already.

    A copy that is missing in the store, or damaged there, is made again.
    """
    with database.read() as session:
        made = tickets.copy(session, identity, format)
    lost = made if made and not store.has_intact(made) else None
    with database.write("export") as session:
        # Requests for one ticket wait for each other, so that one job is queued and not several.
        session.execute(select(Ticket.id).where(Ticket.id == identity).with_for_update())
        ticket = existing(session, identity)
        if lost is not None:
            tickets.forget_copy(session, identity, format, lost)
        digest = tickets.copy(session, identity, format)
        if digest is not None:
            audit.nothing(session)
            return digest, None
        if format not in downloads(ticket.family):
            raise Rejected(
                EXPORT_FAILED,
                f"{format} holds the network itself, and that of {ticket.architecture}, a posted architecture,"
                " is not known here; the other formats hold tensors alone",
            )
        spec = ExportSpec(ticket=identity, format=format)
        at_it = _under_way(session, spec)
        if at_it is not None:
            audit.nothing(session)
            return None, at_it
        job = jobs.create(session, spec, settings.max_attempts)
        limits.check(session)
        audit.about(session, job.id)
        return None, job.id


def _under_way(session: Session, spec: ExportSpec) -> str | None:
    active = [state for state in State if state not in TERMINAL]
    query = select(Job).where(Job.kind == spec.kind, Job.state.in_(active)).order_by(Job.created_at)
    wanted = spec.model_dump(mode="json")
    return next((job.id for job in session.scalars(query) if job.spec == wanted), None)


def outcome(database: Database, job_id: str, identity: str, format: str) -> str | JobBody:  # noqa: A002
    """The digest of the copy that an export job has made, or the job where it is still at it; raises `Rejected`."""
    with database.read() as session:
        digest = tickets.copy(session, identity, format)
        if digest is not None:
            return digest
        job = jobs.get(session, job_id)
        if job is None:
            raise absent(session, Job, job_id)
        if job.state in TERMINAL:
            message = job.error["message"] if job.error else f"The export is {job.state}."
            raise Rejected(EXPORT_FAILED, message, job=job_id, error=job.error)
        return JobBody.of(job)
