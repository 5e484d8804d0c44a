"""The page of one ticket."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from api.access.policies import reads
from api.deletion import GONE
from api.dependencies import DatabaseDep, StoreDep, TicketPath
from api.pages import results
from api.pages import tickets as ticket_views
from api.pages.compare_tickets import others
from api.pages.lineage import drawing
from api.pages.masks import mask_view
from api.pages.rendering import base_url, render
from api.pages.training import offer
from api.tickets import service as ticket_service
from api.tickets.formats import OWN, downloads
from core.catalog import deletion, jobs, tickets
from core.catalog.architectures import describer
from core.catalog.tables import Provenance, Result, Run, Ticket

router = APIRouter(include_in_schema=False, dependencies=[reads])


@router.get("/ui/tickets/{ticket_id}")
def ticket_page(
    request: Request, database: DatabaseDep, store: StoreDep, ticket_id: TicketPath
) -> HTMLResponse:
    """One ticket: its figures, where it comes from, what was made of it, what it reached."""
    with database.read() as session:
        gone = deletion.tombstone(session, ticket_id)
        if gone is not None:
            return _deleted(session, gone)
        ticket = ticket_service.existing(session, ticket_id)
        ancestors = tickets.ancestors(session, ticket_id)
        children = tickets.children(session, ticket_id)
        tickets.load_origins(session, [ticket, *ancestors, *children])
        measured = tickets.results(session, ticket_id)
        reach = ticket_views.reach(store, ticket)
        known = {ticket.id: ticket.architecture}
        pairs: dict[str, list[tuple[Result, Run | None]]] = defaultdict(list)
        for result, run, job in measured:
            if result.alpha is None:
                pairs[job.id].append((result, run))
        by_job = {job_id: results.combine(several, known) for job_id, several in pairs.items()}
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
            averages=results.replicates([row for rows in by_job.values() for row in rows], over_orders=True),
            mask=mask_view(ticket_id, ticket.layers, request.query_params) if reach is not None else None,
            drawing=drawing(ticket, ancestors, children),
            others=others(session, ticket),
            offer=offer(session, ticket, request.query_params),
            downloads=[facts for facts in downloads(ticket.family).values() if facts is not OWN],
            lines=ticket_views.lines(ticket, base_url(request), describer(session)),
            at=jobs.clock(session),
        )


def _deleted(session: Session, ticket: Ticket) -> HTMLResponse:
    """What is told of a ticket that was deleted: where it stood among others."""
    ancestors, children = tickets.ancestors(session, ticket.id), tickets.children(session, ticket.id)
    tickets.load_origins(session, [ticket, *ancestors, *children])
    page = render(
        "ticket_deleted.html",
        ticket=ticket,
        drawing=drawing(ticket, ancestors, children),
        at=jobs.clock(session),
    )
    page.status_code = GONE.status
    return page


def _made_from(rows: Sequence[Provenance], parent: str) -> Provenance | None:
    """How a child was made from `parent`."""
    return next((row for row in rows if row.parent_id == parent), None)
