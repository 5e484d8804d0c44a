"""The page that holds two tickets against each other."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from api.access.policies import reads
from api.dependencies import DatabaseDep, StoreDep
from api.pages.rendering import render
from api.tickets.comparison import comparison
from core.catalog import ticket_lists, tickets
from core.catalog.artifacts import ArtifactMissing
from core.catalog.tables import Ticket
from core.catalog.ticket_lists import Listed, TicketFilter

router = APIRouter(include_in_schema=False, dependencies=[reads])

OFFERED = 50


@router.get("/ui/compare-tickets")
def compare_page(
    request: Request, database: DatabaseDep, store: StoreDep, a: str = "", b: str = ""
) -> HTMLResponse:
    """Two tickets side by side, layer by layer; a form for the two, where one is not there."""
    given = {"a": a.strip(), "b": b.strip()}
    with database.read() as session:
        found = {side: _ticket(session, identity) for side, identity in given.items()}
        first = found["a"] or found["b"]
        context: dict[str, Any] = {
            "given": given,
            "found": found,
            "wrong": {
                side: _wrong(text) if text and found[side] is None else None for side, text in given.items()
            },
            "others": others(session, first) if first else ticket_lists.page(session, OFFERED).rows,
        }
        response: dict[str, Any] = {"compared": None, "gone": False}
        one, other = found["a"], found["b"]
        if one is not None and other is not None:
            try:
                response["compared"] = comparison(database, store, one.id, other.id)
            except ArtifactMissing:
                response["gone"] = True
        return render("compare_tickets.html", **context, **response)


def others(session: Session, ticket: Ticket) -> list[Ticket | Listed]:
    """Tickets worth holding against one: its relatives, then the newest of its family."""
    near = [*tickets.ancestors(session, ticket.id), *tickets.children(session, ticket.id)][:OFFERED]
    alike = ticket_lists.page(session, OFFERED, None, TicketFilter(family=ticket.family)).rows
    here: list[Ticket | Listed] = [*(one for one in near if one.deleted_at is None), *alike]
    found = {one.id: one for one in here if one.id != ticket.id}
    return list(found.values())[:OFFERED]


def _ticket(session: Session, identity: str) -> Ticket | None:
    return tickets.get(session, identity) if re.fullmatch("[0-9a-f]{64}", identity) else None


def _wrong(identity: str) -> str:
    if re.fullmatch("[0-9a-f]{64}", identity):
        return "There is no such ticket."
    return "This is no ticket's id: 64 digits from 0 to f."
