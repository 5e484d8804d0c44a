"""The routes of API keys: an admin makes and revokes those of a project."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.access import service
from api.access.policies import administers
from api.access.schemas import AuditBody, AuditQuery, KeyBody, KeyRequest, NewKeyBody
from api.dependencies import DatabaseDep, KeyPath
from api.idempotency import REPLAYED, OnceDep
from api.paging import Listing, Paging, listing
from api.problems import INVALID_REQUEST, KEY_REUSED, NOT_FOUND, NOT_JSON, TOO_LARGE, documented
from api.queries import OnlyDocumented

router = APIRouter(tags=["keys"], dependencies=[administers, OnlyDocumented])


@router.post("/keys", status_code=201, responses=documented(INVALID_REQUEST, KEY_REUSED, NOT_JSON, TOO_LARGE))
def make_key(given: KeyRequest, response: Response, database: DatabaseDep, once: OnceDep) -> NewKeyBody:
    """Make an API key to this project. The key itself is in this answer and nowhere else: only its SHA-256 is kept."""
    body, replayed = service.make(database, once, given)
    response.headers.update({"Location": f"/keys/{body.id}", "Cache-Control": "no-store"})
    if replayed:
        response.headers.update(REPLAYED)
    return body


@router.get("/keys", response_model=Listing[KeyBody], responses=documented(INVALID_REQUEST))
async def list_keys(query: Annotated[Paging, Query()], request: Request, database: DatabaseDep) -> Response:
    """List this project's API keys, newest first, those that have expired or were revoked included."""
    return await listing(request, lambda: service.page(database, query.limit, query.after))


@router.delete("/keys/{key}", responses=documented(NOT_FOUND))
def revoke_key(key: KeyPath, database: DatabaseDep) -> KeyBody:
    """Revoke an API key: from now on it lets nobody in, nor the browsers that were signed in with it."""
    return service.revoke(database, key)


@router.get("/audit", response_model=Listing[AuditBody], responses=documented(INVALID_REQUEST))
async def read_audit_log(
    query: Annotated[AuditQuery, Query()], request: Request, database: DatabaseDep
) -> Response:
    """List what was changed in this project, by whom, and which of its keys were refused, newest first."""
    return await listing(request, lambda: service.entries(database, query.limit, query.after, query.resource))
