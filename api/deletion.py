"""What is deleted on request, and how it is told of what was."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.problems import ProblemKind, ProblemResponse, Rejected, not_found
from core.catalog import audit, deletion
from core.catalog.database import Database
from core.catalog.deletion import Kept, Needed, NotOver
from core.catalog.tables import Job, Study, Ticket

GONE = ProblemKind(
    "deleted",
    410,
    "It was deleted",
    "The job was deleted on 2026-01-05T10:00:00Z.",
    {"deleted_at": "2026-01-05T10:00:00Z"},
)
NEEDED = ProblemKind(
    "needed",
    409,
    "It is needed",
    "It is needed by a job that is not over (4b1d…): cancel that first, or wait for it.",
    {"jobs": ["4b1d" * 8], "studies": []},
)
NOT_OVER = ProblemKind(
    "not-over",
    409,
    "It is not over",
    "It is running: only what is over can be deleted. Cancel it first.",
    {"state": "running"},
)
_ACTS = {Ticket: deletion.delete_ticket, Job: deletion.delete_job, Study: deletion.delete_study}


class DeletedBody(BaseModel):
    """What is left to say of something that was deleted."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "4b1d" * 8, "deleted_at": "2026-01-05T10:00:00Z"}]}
    )

    id: str
    deleted_at: datetime


def delete(database: Database, table: Kept, identity: str) -> DeletedBody:
    """Delete a ticket, a job or a study; again, it changes nothing. Raises `Rejected`, `Needed` or `NotOver`."""
    with database.write("delete") as session:
        if not _ACTS[table](session, identity):
            audit.nothing(session)
        at = deletion.deleted_at(session, table, identity)
        if at is None:
            raise not_found(_name(table), identity)
        return DeletedBody(id=identity, deleted_at=datetime.fromtimestamp(at, UTC))


def absent(session: Session, table: Kept, identity: str) -> Rejected:
    """The refusal of a ticket, a job or a study that is not here: of one that was deleted it says so."""
    what, at = _name(table), deletion.deleted_at(session, table, identity)
    if at is None:
        return not_found(what, identity)
    return Rejected(GONE, f"The {what} was deleted on {moment(at)}.", deleted_at=moment(at))


def _name(table: Kept) -> str:
    return table.__name__.lower()


def moment(at: float) -> str:
    """A time as answers have it, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def install(app: FastAPI) -> None:
    """Answer what cannot be deleted with what is in the way."""

    @app.exception_handler(Needed)
    def _needed(_: Request, error: Needed) -> Response:
        told = []
        if error.jobs:
            told.append(
                f"by jobs that are not over ({_few(error.jobs)}): cancel them first, or wait for them"
            )
        if error.studies:
            told.append(f"by studies ({_few(error.studies)}): delete them first")
        detail = f"It is needed {'; and '.join(told)}."
        return ProblemResponse(NEEDED.document(detail, jobs=list(error.jobs), studies=list(error.studies)))

    @app.exception_handler(NotOver)
    def _not_over(_: Request, error: NotOver) -> Response:
        detail = f"It is {error.state}: only what is over can be deleted. Cancel it first."
        return ProblemResponse(NOT_OVER.document(detail, state=error.state))


def _few(ids: tuple[str, ...]) -> str:
    return ", ".join(f"{identity[:12]}…" for identity in ids[:3]) + (" …" if len(ids) > 3 else "")
