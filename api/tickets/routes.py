"""The routes of tickets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from api.dependencies import DatabaseDep, SettingsDep, StoreDep, TicketPath
from api.idempotency import REPLAYED, OnceDep
from api.paging import Listing, Paging, listing
from api.problems import (
    BAD_RANGE,
    INVALID_REQUEST,
    INVALID_TICKET,
    KEY_REUSED,
    NOT_FOUND,
    TOO_LARGE,
    documented,
)
from api.tickets import service
from api.tickets.download import TicketFile
from api.tickets.schemas import Layers, Lineage, Results, TicketBody
from api.tickets.upload import TAG, Upload, receive
from core.catalog.tickets import MOST_TAGS, TicketFilter

router = APIRouter(tags=["tickets"])
FORM_OVERHEAD = 64 * 1024
"""What a form may add to its file: boundaries, headers, tags."""

_WORD = r"^[A-Za-z0-9][A-Za-z0-9_.:+-]{0,127}$"
_FILE: dict[str, Any] = {"type": "string", "contentMediaType": "application/octet-stream"}
_BYTES = "(the bytes of a .ticket.safetensors file)"
_UPLOAD_BODY = {
    "required": True,
    "content": {
        "application/octet-stream": {"schema": _FILE, "example": _BYTES},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": _FILE,
                    "tag": {"type": "array", "items": {"type": "string", "pattern": TAG}},
                },
            },
            "example": {"file": _BYTES, "tag": ["paper"]},
        },
    },
}
Tag = Annotated[str, Query(pattern=TAG)]


@router.post(
    "/tickets",
    status_code=201,
    openapi_extra={"requestBody": _UPLOAD_BODY},
    responses={
        200: {"model": TicketBody, "description": "The ticket was here already"},
        **documented(INVALID_TICKET, INVALID_REQUEST, KEY_REUSED, TOO_LARGE),
    },
)
async def upload_ticket(
    request: Request,
    response: Response,
    database: DatabaseDep,
    store: StoreDep,
    settings: SettingsDep,
    once: OnceDep,
    tag: Annotated[list[Tag], Query(max_length=MOST_TAGS, description="tags to put on it")] = [],  # noqa: B006
) -> TicketBody:
    """Upload a ticket file, as the request's body or as the `file` of a form.

    Its bytes are checked, counted and written to disk as they arrive. The same ticket again is answered with 200
    and the same id, whatever its file says about where it comes from.
    """
    with store.stage() as staged:
        upload = Upload(staged, settings.max_upload_bytes)
        await receive(request, upload)
        made, replayed = await run_in_threadpool(service.enter, database, once, upload, [*tag, *upload.tags])
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


@router.get("/tickets", responses=documented(INVALID_REQUEST))
def list_tickets(
    request: Request, response: Response, database: DatabaseDep, query: Annotated[TicketQuery, Query()]
) -> Listing[TicketBody]:
    """List tickets, newest first."""
    found = service.page(database, query.limit, query.after, query.wanted)
    return listing(request, response, *found)


@router.get("/tickets/{ticket}", responses=documented(NOT_FOUND))
def show_ticket(ticket: TicketPath, database: DatabaseDep) -> TicketBody:
    """Show a ticket: its figures, where it comes from, its tags."""
    return service.show(database, ticket)


@router.get("/tickets/{ticket}/layers", responses=documented(NOT_FOUND))
def show_layers(ticket: TicketPath, database: DatabaseDep) -> Layers:
    """Show the survivors of each prunable tensor."""
    return service.layers(database, ticket)


@router.get("/tickets/{ticket}/lineage", responses=documented(NOT_FOUND))
def show_lineage(ticket: TicketPath, database: DatabaseDep) -> Lineage:
    """Show what a ticket was transformed from, and what was transformed from it."""
    return service.lineage(database, ticket)


@router.get("/tickets/{ticket}/results", responses=documented(NOT_FOUND))
def show_results(ticket: TicketPath, database: DatabaseDep) -> Results:
    """Show a ticket's accuracies: mean and standard deviation per dataset and point, and each measurement."""
    return service.results(database, ticket)


@router.get(
    "/tickets/{ticket}/file",
    response_class=TicketFile,
    responses={
        200: {"content": {"application/octet-stream": {"schema": _FILE, "example": _BYTES}}},
        206: {
            "description": "The range asked for",
            "content": {"application/octet-stream": {"schema": _FILE, "example": "(some of its bytes)"}},
        },
        304: {"description": "What `If-None-Match` names is still right"},
        **documented(NOT_FOUND, INVALID_REQUEST, BAD_RANGE),
    },
)
def download_ticket(
    ticket: TicketPath,
    database: DatabaseDep,
    store: StoreDep,
    format: Annotated[Literal["elasticket"], Query(description="the file's format")] = "elasticket",  # noqa: A002
    if_none_match: Annotated[str | None, Header(description="the ETag of a copy")] = None,
) -> Response:
    """Download a ticket's file, whole or in ranges."""
    path, digest = service.file(database, store, ticket)
    etag = f'"{digest}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if if_none_match is not None and _matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    name = f"{ticket[:12]}.ticket.safetensors"
    return TicketFile(path, headers=headers, media_type="application/octet-stream", filename=name)


def _matches(header: str, etag: str) -> bool:
    return any(part.strip().removeprefix("W/") in ("*", etag) for part in header.split(","))
