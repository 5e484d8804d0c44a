"""The routes of tickets."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from api.access.policies import reads, writes
from api.catalogue.service import NAME_TAKEN
from api.deletion import NEEDED, DeletedBody, delete
from api.dependencies import DatabaseDep, OtherTicketPath, SettingsDep, StoreDep, TicketPath
from api.idempotency import REPLAYED, OnceDep
from api.jobs.schemas import JobBody
from api.jobs.submission import SubmissionDep, as_json
from api.paging import Listing, Paging, listing
from api.problems import (
    FILE_DAMAGED,
    FILE_MISSING,
    INVALID_REQUEST,
    INVALID_TICKET,
    KEY_REUSED,
    NO_ROOM,
    NOT_FOUND,
    TOO_LARGE,
    UNREADABLE,
    documented,
)
from api.queries import OnlyDocumented
from api.tickets import service
from api.tickets.comparison import ComparisonBody, comparison
from api.tickets.examples import IMPORTED, TICKET_BODY
from api.tickets.files import FILE
from api.tickets.imports import Said
from api.tickets.layers import Layers, layers
from api.tickets.reception import BUSY, ReceptionDep
from api.tickets.recognition import RECOGNISED, Recognised, recognise
from api.tickets.schemas import Lineage, Results, TicketBody
from api.tickets.upload import TAG, receive
from core.catalog.tables import Ticket
from core.catalog.ticket_lists import TicketFilter

router = APIRouter(tags=["tickets"], dependencies=[reads, OnlyDocumented])
FORM_OVERHEAD = 64 * 1024
"""What a form may add to its file: boundaries, headers, tags."""

JOB = 202
"""What making a job is answered with; making a ticket is not."""

_WORD = r"^[A-Za-z0-9][A-Za-z0-9_.:+-]{0,127}$"
_BYTES = "(the bytes of a .ticket.safetensors file, or of one in another format)"
_UPLOAD_BODY = {
    "required": True,
    "content": {
        "application/octet-stream": {"schema": FILE, "example": _BYTES},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": FILE,
                    "tag": {"type": "array", "items": {"type": "string", "pattern": TAG}},
                },
            },
            "example": {"file": _BYTES, "tag": ["paper"]},
        },
    },
}


_RECEIVED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": TicketBody | JobBody | Recognised,
        "description": "The ticket was here already; the finished import, where `Prefer: wait` asked for it;"
        " what was recognised, where `dry_run` asked for that",
        "content": {
            "application/json": {
                "examples": {
                    "known": {"summary": "The ticket was here already", "value": TICKET_BODY},
                    "imported": {"summary": "A finished import", "value": IMPORTED},
                    "recognised": {"summary": "A dry run", "value": RECOGNISED},
                }
            }
        },
    },
    202: {"model": JobBody, "description": "A file in another format: the job that imports it"},
}


@router.post(
    "/tickets",
    dependencies=[writes],
    status_code=201,
    response_model=TicketBody,
    openapi_extra={"requestBody": _UPLOAD_BODY},
    responses=_RECEIVED
    | documented(
        INVALID_TICKET, UNREADABLE, INVALID_REQUEST, KEY_REUSED, NAME_TAKEN, TOO_LARGE, BUSY, NO_ROOM
    ),
)
async def upload_ticket(
    request: Request,
    response: Response,
    database: DatabaseDep,
    store: StoreDep,
    settings: SettingsDep,
    reception: ReceptionDep,
    once: OnceDep,
    submission: SubmissionDep,
    said: Annotated[Said, Query()],
    dry_run: Annotated[bool, Query(description="tell what the file is, and keep nothing")] = False,
) -> TicketBody | Response:
    """Upload a ticket, as the request's body or as the `file` of a form: a ticket file, or one in another format.

    Its bytes are checked, counted and written to disk as they arrive. The same ticket again is answered with 200
    and the same id, whatever its file says about where it comes from. A `.pth`, a `.safetensors` or an archive of
    another tool becomes a job that imports it, where nothing in it can be refused at once; what the file cannot say
    the query may. With `dry_run` the answer is what was recognised, and what would become of the file.
    """
    async with reception.upload(store, database) as upload:
        await receive(request, upload)
        tags = [*said.tag, *upload.tags]
        if dry_run:
            found = await run_in_threadpool(recognise, database, settings, upload, said, tags)
            return Response(found.model_dump_json(), media_type="application/json")
        made, replayed = await run_in_threadpool(
            service.enter, database, store, settings, once, upload, said, tags
        )
    if made.status == JOB:
        return as_json(await submission.answer((made, replayed)), response)
    response.status_code = made.status
    response.headers["Location"] = f"/tickets/{made.resource}"
    if replayed:
        response.headers.update(REPLAYED)
    return await run_in_threadpool(service.show, database, made.resource)


class TicketQuery(Paging):
    """What tickets to list."""

    architecture: str | None = Field(None, pattern=_WORD)
    family: str | None = Field(None, pattern=_WORD)
    dataset: str | None = Field(None, pattern=_WORD, description="found or trained to its rewind point on it")
    method: str | None = Field(None, pattern=_WORD, description="how it was made")
    parent: str | None = Field(None, pattern=r"^[0-9a-f]{64}$", description="transformed from it")
    tag: str | None = Field(None, pattern=TAG)
    sparsity_min: float | None = Field(None, ge=0, le=1)
    sparsity_max: float | None = Field(None, ge=0, le=1)

    @property
    def wanted(self) -> TicketFilter:
        """The filter alone."""
        return TicketFilter(**self.model_dump(exclude=set(Paging.model_fields)))


@router.get("/tickets", response_model=Listing[TicketBody], responses=documented(INVALID_REQUEST))
async def list_tickets(
    request: Request, database: DatabaseDep, query: Annotated[TicketQuery, Query()]
) -> Response:
    """List tickets, newest first."""
    return await listing(request, lambda: service.page(database, query.limit, query.after, query.wanted))


@router.get("/tickets/{ticket}", responses=documented(NOT_FOUND))
def show_ticket(ticket: TicketPath, database: DatabaseDep) -> TicketBody:
    """Show a ticket: its figures, where it comes from, its tags."""
    return service.show(database, ticket)


@router.delete("/tickets/{ticket}", dependencies=[writes], responses=documented(NOT_FOUND, NEEDED))
def delete_ticket(ticket: TicketPath, database: DatabaseDep) -> DeletedBody:
    """Delete a ticket, its tags and its files. Again, it changes nothing.

    It is refused while a job that is not over was given the ticket, or a study's job made it or was given it. Where it
    came from and what was made of it is still told; the accuracies that were measured of it stay with their jobs. The
    same content, uploaded or found again, is the same ticket again.
    """
    return delete(database, Ticket, ticket)


@router.get("/tickets/{ticket}/layers", responses=documented(NOT_FOUND, FILE_MISSING, FILE_DAMAGED))
def show_layers(ticket: TicketPath, database: DatabaseDep, store: StoreDep) -> Layers:
    """Show the survivors of each prunable tensor, and which of them any path from input to output takes."""
    return layers(database, store, ticket)


@router.get("/tickets/{ticket}/lineage", responses=documented(NOT_FOUND))
def show_lineage(ticket: TicketPath, database: DatabaseDep) -> Lineage:
    """Show what a ticket was transformed from, and what was transformed from it, also where it was deleted."""
    return service.lineage(database, ticket)


@router.get("/tickets/{ticket}/results", responses=documented(NOT_FOUND))
def show_results(ticket: TicketPath, database: DatabaseDep) -> Results:
    """Show a ticket's accuracies: mean and standard deviation per dataset and point, and each measurement."""
    return service.results(database, ticket)


@router.get("/tickets/{ticket}/compare/{other}", responses=documented(NOT_FOUND, FILE_MISSING, FILE_DAMAGED))
def compare_tickets(
    ticket: TicketPath, other: OtherTicketPath, database: DatabaseDep, store: StoreDep
) -> ComparisonBody:
    """Compare two tickets: how much their masks overlap, beside what chance would give, and their weights' cosine."""
    return comparison(database, store, ticket, other)
