"""Every artifact that the catalog names, and what for."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Executable, null, select
from sqlalchemy.orm import Session

from core.catalog.database import Database
from core.catalog.tables import Checkpoint, Job, Run, Ticket, TicketCopy, TicketWeights
from core.jobs.states import TERMINAL


@dataclass(frozen=True, slots=True)
class Reference:
    """One row's pointer to an artifact. `size` in bytes, where the catalog knows it."""

    digest: str
    what: str
    size: int | None = None


def references(database: Database) -> list[Reference]:
    """All of one moment. They are read at once: hashing what they name takes longer than a transaction may."""
    with database.everywhere().read() as session:
        return named(session)


def named(session: Session) -> list[Reference]:
    """Those of a session's project; of all, where it is of none."""
    return [
        Reference(digest, what.format(*names), size)
        for what, query in _QUERIES.items()
        for digest, size, *names in session.execute(query)
    ]


_QUERIES: dict[str, Executable] = {
    "ticket {}": select(Ticket.file_digest, Ticket.header_bytes + Ticket.payload_bytes, Ticket.id),
    "dense weights at step {} of ticket {}": select(
        TicketWeights.digest, null(), TicketWeights.step, TicketWeights.ticket_id
    ),
    "{} file of ticket {}": select(TicketCopy.digest, null(), TicketCopy.format, TicketCopy.ticket_id),
    "weights of training {} of job {}": select(Run.weights_digest, null(), Run.ordinal, Run.job_id)
    .join(Job, Job.id == Run.job_id)
    .where(Job.weights_dropped_at.is_(None)),
}


def unfinished_jobs(database: Database) -> list[str]:
    """Jobs that may still need what lies in scratch for them."""
    with database.everywhere().read() as session:
        return list(session.scalars(select(Job.id).where(Job.state.not_in(TERMINAL))))


def saved_states(database: Database) -> list[tuple[str, str]]:
    """The training states that unfinished jobs would resume from: job and digest, in the job's scratch store."""
    query = select(Checkpoint.job_id, Checkpoint.digest).join(Job, Job.id == Checkpoint.job_id)
    with database.everywhere().read() as session:
        return [
            (job_id, digest) for job_id, digest in session.execute(query.where(Job.state.not_in(TERMINAL)))
        ]
