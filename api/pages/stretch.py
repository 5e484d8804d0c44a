"""The page that stretches or squeezes a ticket: a form, its dry run drawn as one edits it, and the job it makes."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import QueryParams

from api.access.caller import act_of
from api.access.policies import reads, writes
from api.dependencies import DatabaseDep, SettingsDep, StoreDep, TicketPath
from api.idempotency import Once
from api.jobs.admission import shape_of
from api.jobs.plans import TicketPlan
from api.jobs.preview import preview
from api.jobs.queueing import Wanted, submit
from api.limits import EXCEEDED
from api.pages.blocks import Pick, StageDrawing, drawings
from api.pages.rendering import render
from api.pages.stretching import Asked, asked, refused
from api.pages.targets import suggested
from api.problems import Rejected
from api.tickets import service as ticket_service
from core.catalog.architectures import describer
from core.catalog.artifacts import ArtifactMissing, ArtifactStore
from core.catalog.audit import Act
from core.catalog.database import Database
from core.elastic.refusal import Refused
from core.elastic.unit_map import Order, parse_map
from core.families import UnknownArchitecture
from core.families.architecture import Architecture
from core.families.likeness import as_member
from core.jobs.datasets import DATASETS
from core.settings import Settings
from core.tickets.metadata import Describe

router = APIRouter(include_in_schema=False, dependencies=[reads])

_REFUSALS = (Refused, Rejected)


@router.get("/ui/tickets/{ticket_id}/stretch")
def stretch_page(
    request: Request, database: DatabaseDep, store: StoreDep, ticket_id: TicketPath
) -> HTMLResponse:
    """The form, filled as the address says, and what would come of it."""
    return _page(request.query_params, database, store, ticket_id)


@router.post("/ui/tickets/{ticket_id}/stretch", dependencies=[writes])
async def stretch(
    request: Request, database: DatabaseDep, store: StoreDep, settings: SettingsDep, ticket_id: TicketPath
) -> Response:
    """Submit what the address says and go to the job; back to the form where it is refused."""
    form = await request.form(max_files=0, max_fields=4)
    key = form.get("key")
    once = Once(f"POST {request.url.path}", key[:64] if isinstance(key, str) and key else None)
    query = request.query_params
    return await run_in_threadpool(
        _submit, query, database, store, settings, once, act_of(request), ticket_id
    )


def _submit(
    query: QueryParams,
    database: Database,
    store: ArtifactStore,
    settings: Settings,
    once: Once,
    act: Act,
    ticket_id: str,
) -> Response:
    found = asked(ticket_id, query, "")
    if found.spec is not None:
        try:
            made, _ = submit(settings, Wanted(database, act, once, found.spec))
            return RedirectResponse(f"/ui/jobs/{made.resource}", 303)
        except _REFUSALS as error:
            if isinstance(error, Rejected) and error.kind in EXCEEDED:
                raise
            refused(found, error)
    page = _page(query, database, store, ticket_id)
    page.status_code = 422
    return page


def _page(query: QueryParams, database: Database, store: ArtifactStore, ticket_id: str) -> HTMLResponse:
    with database.read() as session:
        ticket, describe = ticket_service.existing(session, ticket_id), describer(session)
        source = describe(ticket.architecture, shape_of(ticket), ticket.classes)
        near = suggested(ticket, source, describe)
        found = asked(ticket_id, query, near[0] if near else source.name)
        planned, gone = _planned(database, store, found)
        return render(
            "stretch.html",
            ticket=ticket,
            asked=found,
            planned=planned,
            gone=gone,
            suggested=[
                (name, _link(query, ticket_id, {"architecture": name, "unit_map": None})) for name in near
            ],
            stages=_stages(query, ticket_id, source, describe, found, planned),
            names=[stage.name for stage in source.anatomy.stages],
            by_stage=any("." in name for name in found.fields),
            orders=list(Order),
            datasets=list(DATASETS),
            by_order=_link(query, ticket_id, {"unit_map": None, "pick": None}),
            submit=_link(query, ticket_id, {"pick": None, "architecture": found.fields["architecture"]}),
            key=secrets.token_hex(16),
        )


def _planned(database: Database, store: ArtifactStore, found: Asked) -> tuple[TicketPlan | None, bool]:
    """The dry run; its refusals go to their fields. And whether the ticket's file is gone."""
    if found.spec is None:
        return None, False
    try:
        return preview(database, store, found.spec).tickets[0], False
    except _REFUSALS as error:
        refused(found, error)
    except ArtifactMissing:
        return None, True
    return None, False


def _stages(
    query: QueryParams,
    ticket_id: str,
    source: Architecture,
    describe: Describe,
    found: Asked,
    planned: TicketPlan | None,
) -> list[StageDrawing]:
    """Source and target, drawn: with wires where there is a plan, without where it is refused."""
    name = planned.target.architecture if planned else found.fields["architecture"]
    try:
        target = describe(name, source.input, source.classes)
    except UnknownArchitecture:
        target = source
    old = as_member(source, target) or source
    unit_map = parse_map(planned.unit_map, old.anatomy, target.anatomy) if planned else None
    pick = Pick.read(query.get("pick"), unit_map) if unit_map is not None else None

    def address(changes: dict[str, str | None]) -> str:
        changed = changes | (
            {name: None for name in query if _replaced(name)} if "unit_map" in changes else {}
        )
        return _link(query, ticket_id, changed)

    return drawings(old.anatomy.stages, target.anatomy.stages, unit_map, pick, found.flawed, address)


def _replaced(name: str) -> bool:
    """Whether an explicit map takes the place of this parameter."""
    return name.partition(".")[0] in ("order", "replicate", "via")


def _link(query: QueryParams, ticket_id: str, changes: dict[str, str | None]) -> str:
    kept: dict[str, Any] = {name: value for name, value in query.items() if value.strip()} | changes
    encoded = urlencode({name: value for name, value in kept.items() if value is not None})
    return f"/ui/tickets/{ticket_id}/stretch?{encoded}"
