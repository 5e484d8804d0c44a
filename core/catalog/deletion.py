"""Tickets, jobs and studies are deleted: a row stays that says so, and refers to no file any more.

What others refer to is kept with it: where a ticket came from and what was made of it. The files themselves go when
nothing refers to them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from core.catalog import needs
from core.catalog.database import now
from core.catalog.scope import WITH_DELETED
from core.catalog.tables import (
    Attempt,
    Checkpoint,
    Event,
    Job,
    Outbox,
    Provenance,
    Result,
    Run,
    Study,
    StudyJob,
    Ticket,
    TicketCopy,
    TicketLayer,
    TicketTag,
    TicketWeights,
)
from core.jobs.states import TERMINAL

Kept = type[Ticket] | type[Job] | type[Study]

OF_TICKET = (TicketLayer, TicketTag, TicketWeights, TicketCopy)
OF_JOB = (Result, Run, Event, Checkpoint, Attempt, Outbox)
"""What goes with it, in an order that breaks no reference."""


class Needed(ValueError):
    """It is needed: by `jobs` that are not over, or by `studies`."""

    def __init__(self, jobs: Any = (), studies: Any = ()) -> None:
        self.jobs, self.studies = tuple(jobs), tuple(studies)
        super().__init__("it is needed")


class NotOver(ValueError):
    """Only what is over can be deleted. `state`: how it stands."""

    def __init__(self, state: str) -> None:
        super().__init__(f"it is {state}")
        self.state = state


def deleted_at(session: Session, table: Kept, identity: str) -> float | None:
    """When something was deleted; None where it was not, or never was here."""
    found = select(table.deleted_at).where(table.id == identity)
    return session.scalar(found, execution_options=WITH_DELETED)


def tombstone(session: Session, identity: str) -> Ticket | None:
    """What is left of a ticket that was deleted."""
    gone = select(Ticket).where(Ticket.id == identity, Ticket.deleted_at.is_not(None))
    return session.scalar(gone, execution_options=WITH_DELETED)


def delete_ticket(session: Session, identity: str) -> bool:
    """Delete a ticket, its tags and its files; False where it is not here. Raises `Needed`.

    Its figures and its lineage stay, and the accuracies that were measured of it stay with their jobs. Jobs that made
    it answer no later requests. The same content makes it a ticket again.
    """
    if not _locked(session, Ticket, Ticket.id == identity):
        return False
    makers = select(Provenance.job_id).where(Provenance.ticket_id == identity)
    # Before it is known who needs it: none of them becomes the answer of a request, or of a study, meanwhile.
    session.execute(select(Job.id).where(Job.id.in_(makers)).with_for_update())
    _refuse(needs.unfinished(session, "ticket", identity), needs.studies_with_ticket(session, identity))
    session.execute(update(Job).where(Job.id.in_(makers)).values(digest=None), execution_options=_PLAIN)
    for part in OF_TICKET:
        session.execute(delete(part).where(part.ticket_id == identity), execution_options=_PLAIN)
    _bury(session, Ticket, Ticket.id == identity)
    return True


def delete_job(session: Session, job_id: str) -> bool:
    """Delete a job that is over, with its log, results and weights; False where it is not here.

    Raises `NotOver` or `Needed`. The tickets that it made stay.
    """
    if not _locked(session, Job, Job.id == job_id):
        return False
    state = session.scalar(select(Job.state).where(Job.id == job_id))
    if state not in TERMINAL:
        raise NotOver(str(state))
    _refuse(needs.unfinished(session, "job", job_id), needs.studies_with_job(session, job_id))
    empty(session, [job_id])
    return True


def empty(session: Session, jobs: Collection[str]) -> None:
    """Do what `delete_job` does to jobs that are locked, and known to be over and needed by nobody."""
    for part in OF_JOB:
        session.execute(delete(part).where(part.job_id.in_(jobs)), execution_options=_PLAIN)
    emptied: dict[str, Any] = dict(spec={}, about="", digest=None, progress=None, error=None)
    _bury(session, Job, Job.id.in_(jobs), **emptied)


def delete_study(session: Session, study_id: str) -> bool:
    """Delete a study that is over, and nothing that it made; False where it is not here. Raises `NotOver`."""
    if not _locked(session, Study, Study.id == study_id):
        return False
    if session.scalar(select(Study.finished_at).where(Study.id == study_id)) is None:
        raise NotOver("open")
    session.execute(delete(StudyJob).where(StudyJob.study_id == study_id), execution_options=_PLAIN)
    _bury(session, Study, Study.id == study_id, spec={}, archive=None)
    return True


_PLAIN = {"synchronize_session": False}


def _locked(session: Session, table: Kept, same: ColumnElement[bool]) -> bool:
    """Lock a row against those that are about to need it; whether it is there."""
    return session.scalar(select(table.id).where(same).with_for_update()) is not None


def _refuse(jobs: Any, studies: Any) -> None:
    if jobs or studies:
        raise Needed(jobs, studies)


def _bury(session: Session, table: Kept, same: ColumnElement[bool], **emptied: Any) -> None:
    session.execute(update(table).where(same).values(deleted_at=now(), **emptied), execution_options=_PLAIN)
