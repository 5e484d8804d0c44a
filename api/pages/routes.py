"""The pages of tickets, rendered on the server."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse
from starlette.datastructures import QueryParams

from api.dependencies import DatabaseDep, StoreDep, TicketPath
from api.pages import results
from api.pages import tickets as ticket_views
from api.pages.paging import cursor, link
from api.pages.rendering import render
from api.tickets import service as ticket_service
from api.tickets.formats import OWN, downloads
from core.catalog import jobs, tickets
from core.catalog.architectures import describer
from core.catalog.tables import Provenance
from core.catalog.tickets import TicketFilter
from core.families import FAMILIES
from core.jobs.datasets import DATASETS

router = APIRouter(include_in_schema=False)

PAGE = 25


def base_url(request: Request) -> str:
    """The address that this installation was reached at."""
    return str(request.base_url).rstrip("/")


@router.get("/ui/tickets")
def tickets_page(request: Request, database: DatabaseDep) -> HTMLResponse:
    """Tickets, newest first, with the filters of the API in the address."""
    query = request.query_params
    wanted = ticket_filter(query)
    with database.read() as session:
        page = tickets.page(session, PAGE, cursor(query.get("after")), wanted)
        tickets.load_origins(session, page.rows)
        return render(
            "tickets.html",
            tickets=[(ticket, tickets.origin(ticket)) for ticket in page.rows],
            at=jobs.clock(session),
            wanted=wanted,
            filters=[
                (name.replace("_", " "), value, link(query, "/ui/tickets", **{name: None}))
                for name, value in vars(wanted).items()
                if value is not None
            ],
            families=list(FAMILIES),
            datasets=list(DATASETS),
            first=link(query, "/ui/tickets") if query.get("after") else None,
            next=link(query, "/ui/tickets", after=page.next.encode()) if page.next else None,
            curl=ticket_views.first_job(base_url(request)),
        )


def ticket_filter(query: QueryParams) -> TicketFilter:
    """The filter an address asks for; a form sends its empty fields too."""
    words = ("architecture", "family", "dataset", "method", "parent", "tag")
    # PostgreSQL knows no NUL.
    given = {name: query.get(name, "").replace("\0", "").strip() for name in words}
    asked = {name: value for name, value in given.items() if value}
    return TicketFilter(
        **asked,
        sparsity_min=_share(query.get("sparsity_min")),
        sparsity_max=_share(query.get("sparsity_max")),
    )


def _share(text: str | None) -> float | None:
    if not text or not text.strip():
        return None
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise HTTPException(400, "A sparsity is a number from 0 to 1.")
    return share


@router.get("/ui/tickets/{ticket_id}")
def ticket_page(
    request: Request, database: DatabaseDep, store: StoreDep, ticket_id: TicketPath
) -> HTMLResponse:
    """One ticket: its figures, where it comes from, what was made of it, what it reached."""
    with database.read() as session:
        ticket = ticket_service.existing(session, ticket_id)
        ancestors = tickets.ancestors(session, ticket_id)
        children = tickets.children(session, ticket_id)
        tickets.load_origins(session, [ticket, *ancestors, *children])
        measured = tickets.results(session, ticket_id)
        reach = ticket_views.reach(store, ticket)
        known = {ticket.id: ticket.architecture}
        by_job: dict[str, list[results.Measured]] = {}
        for job in dict.fromkeys(job for result, _, job in measured if result.alpha is None):
            pairs = [
                (result, run) for result, run, owner in measured if owner is job and result.alpha is None
            ]
            by_job[job.id] = results.combine(pairs, known)
        return render(
            "ticket.html",
            ticket=ticket,
            nominal=ticket_views.nominal(ticket, ancestors),
            reach=reach,
            dead={}
            if reach is None
            else {layer.name: layer for layer in reach.layers if layer.dead is not None},
            lineage=[
                *((one, tickets.origin(one), "ancestor") for one in reversed(ancestors)),
                (ticket, tickets.origin(ticket), "this"),
                *((one, _made_from(one.provenance, ticket_id), "child") for one in children),
            ],
            present={one.id for one in ancestors},
            measured=by_job,
            downloads=[facts for facts in downloads(ticket.family).values() if facts is not OWN],
            lines=ticket_views.lines(ticket, base_url(request), describer(session)),
            at=jobs.clock(session),
        )


def _made_from(rows: Sequence[Provenance], parent: str) -> Provenance | None:
    """How a child was made from `parent`."""
    return next((row for row in rows if row.parent_id == parent), None)
