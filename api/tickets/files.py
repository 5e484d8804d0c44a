"""The route of a ticket's file, in the format it was asked for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from api.access.policies import reads
from api.dependencies import DatabaseDep, FeedDep, SettingsDep, StoreDep, TicketPath
from api.jobs.schemas import JobBody
from api.jobs.service import ended
from api.preferences import LONGEST_WAIT, WaitDep
from api.problems import (
    BAD_RANGE,
    EXPORT_FAILED,
    FILE_DAMAGED,
    FILE_MISSING,
    INVALID_REQUEST,
    NOT_FOUND,
    documented,
)
from api.queries import OnlyDocumented
from api.tickets import copies, service
from api.tickets.download import TicketFile
from api.tickets.formats import DOWNLOADS, OWN

router = APIRouter(tags=["tickets"], dependencies=[reads, OnlyDocumented])

FILE: dict[str, Any] = {"type": "string", "contentMediaType": OWN.media_type}
WAIT = 30
RETRY_SECONDS = 2


def _known_format(given: str) -> str:
    if given not in DOWNLOADS:
        raise PydanticCustomError("unknown_format", "unknown format", {"expected": ", ".join(DOWNLOADS)})
    return given


Format = Annotated[
    str,
    AfterValidator(_known_format),
    Query(
        description="; ".join(f"{facts.name}: {facts.title}" for facts in DOWNLOADS.values()),
        json_schema_extra={"enum": list(DOWNLOADS)},
    ),
]


def _content(example: str) -> dict[str, Any]:
    return {
        media: {"schema": FILE, "example": example}
        for media in sorted({facts.media_type for facts in DOWNLOADS.values()})
    }


@router.get(
    "/tickets/{ticket}/file",
    response_class=TicketFile,
    responses={
        200: {"content": _content("(the bytes of the file)")},
        202: {"model": JobBody, "description": "It takes longer: the job that converts it; ask again later"},
        206: {"description": "The range asked for", "content": _content("(some of its bytes)")},
        307: {
            "description": "Where artifacts lie in an object store: `Location` is an address there, good for this"
            " file alone and for some minutes; ask there without your key. The `ETag` is the file's SHA-256"
        },
        304: {"description": "What `If-None-Match` names is still right"},
        **documented(NOT_FOUND, FILE_MISSING, FILE_DAMAGED, INVALID_REQUEST, EXPORT_FAILED, BAD_RANGE),
    },
)
async def download_ticket(
    ticket: TicketPath,
    database: DatabaseDep,
    store: StoreDep,
    settings: SettingsDep,
    feed: FeedDep,
    wait: WaitDep,
    format: Format = OWN.name,  # noqa: A002
    if_none_match: Annotated[str | None, Header(description="the ETag of a copy")] = None,
) -> Response:
    """Download a ticket's file, whole or in ranges, in its own format or another one.

    Another format is converted to by a job, once; the request waits for it for as long as `Prefer: wait` says.
    """
    if format == OWN.name:
        digest: str | JobBody = await run_in_threadpool(service.file_digest, database, ticket)
    else:
        found, job = await run_in_threadpool(copies.find_or_queue, database, store, settings, ticket, format)
        if job is not None:
            await ended(feed, job, min(WAIT if wait is None else wait, LONGEST_WAIT))
            digest = await run_in_threadpool(copies.outcome, database, job, ticket, format)
        else:
            assert found is not None, "there is a copy or a job"
            digest = found
    if isinstance(digest, JobBody):
        return _at_it(digest)
    etag = f'"{digest}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if if_none_match is not None and matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    facts = DOWNLOADS[format]
    name = f"{ticket[:12]}{facts.suffix}"
    address = await run_in_threadpool(store.address, digest, name, facts.media_type)
    if address is not None:
        return RedirectResponse(address, 307, headers | {"Cache-Control": "no-store"})
    path = await run_in_threadpool(store.intact, digest)
    return TicketFile(path, headers=headers, media_type=facts.media_type, filename=name)


def _at_it(job: JobBody) -> Response:
    headers = {
        "Location": job.links["self"],
        "Retry-After": str(RETRY_SECONDS),
        "Cache-Control": "no-store",
    }
    return Response(job.model_dump_json(), 202, headers, "application/json")


def matches(header: str, etag: str) -> bool:
    """Whether an `If-None-Match` names this ETag."""
    return any(part.strip().removeprefix("W/") in ("*", etag) for part in header.split(","))
