"""The page of all tickets."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse
from starlette.datastructures import QueryParams

from api.access.policies import reads
from api.dependencies import DatabaseDep
from api.pages import tickets as ticket_views
from api.pages.paging import cursor, link
from api.pages.rendering import base_url, render
from core.catalog import jobs, ticket_lists, tickets
from core.catalog.ticket_lists import TicketFilter
from core.families import FAMILIES
from core.jobs.datasets import DATASETS

router = APIRouter(include_in_schema=False, dependencies=[reads])

PAGE = 25


@router.get("/ui/tickets")
def tickets_page(request: Request, database: DatabaseDep) -> HTMLResponse:
    """Tickets, newest first, with the filters of the API in the address."""
    query = request.query_params
    wanted = _filter(query)
    with database.read() as session:
        page = ticket_lists.page(session, PAGE, cursor(query.get("after")), wanted)
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


def _filter(query: QueryParams) -> TicketFilter:
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
