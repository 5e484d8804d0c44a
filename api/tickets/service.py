"""What the ticket routes do."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy.orm import Session

from api.idempotency import Once
from api.problems import not_found
from api.tickets.schemas import Layers, Lineage, Results, TicketBody
from api.tickets.upload import Upload, check_tags, too_many_tags
from core.catalog import tickets
from core.catalog.artifacts import ArtifactStore
from core.catalog.database import Database
from core.catalog.idempotency import Made
from core.catalog.paging import Cursor
from core.catalog.tables import Ticket
from core.catalog.tickets import TicketFilter, TooManyTags
from core.tickets import read, ticket_id


def enter(database: Database, once: Once, upload: Upload, tags: list[str]) -> tuple[Made, bool]:
    """Enter a received file; raises `InvalidTicket`. The file is durable before any row speaks of it.

    Where the ticket is here already its first file is kept, and this one is not.
    """
    check_tags(tags)
    file = read(upload.staged.path)
    identity = ticket_id(file.ticket)
    content = json.dumps([upload.staged.digest, *sorted(tags)]).encode()
    with database.read() as session:
        earlier = once.earlier(session, content)
        known = tickets.get(session, identity)
    if earlier is not None:
        return earlier, True
    digest = known.file_digest if known else upload.staged.commit()

    def register(session: Session) -> Made:
        new = tickets.register(session, identity, file, digest)
        try:
            tickets.tag(session, identity, tags)
        except TooManyTags as error:
            raise too_many_tags(str(error)) from None
        return Made(201 if new else 200, identity)

    return once.make(database, content, register)


def show(database: Database, identity: str) -> TicketBody:
    """One ticket."""
    with database.read() as session:
        return TicketBody.of(existing(session, identity))


def page(
    database: Database, limit: int, after: Cursor | None, wanted: TicketFilter
) -> tuple[list[TicketBody], Cursor | None]:
    """Tickets, newest first, and where the next page starts."""
    with database.read() as session:
        found = tickets.page(session, limit, after, wanted)
        tickets.load_origins(session, found.rows)
        return [TicketBody.of(ticket) for ticket in found.rows], found.next


def layers(database: Database, identity: str) -> Layers:
    """A ticket's prunable tensors."""
    with database.read() as session:
        return Layers.of(existing(session, identity))


def lineage(database: Database, identity: str) -> Lineage:
    """A ticket's ancestors and children."""
    with database.read() as session:
        existing(session, identity)
        ancestors, children = tickets.ancestors(session, identity), tickets.children(session, identity)
        tickets.load_origins(session, [*ancestors, *children])
        return Lineage.of(identity, ancestors, children)


def results(database: Database, identity: str) -> Results:
    """A ticket's measured accuracies."""
    with database.read() as session:
        existing(session, identity)
        return Results.of(tickets.results(session, identity))


def file(database: Database, store: ArtifactStore, identity: str) -> tuple[Path, str]:
    """A ticket's file and its digest."""
    with database.read() as session:
        digest = existing(session, identity).file_digest
    return store.path(digest), digest


def existing(session: Session, identity: str) -> Ticket:
    """A ticket that is there; raises `Rejected`."""
    ticket = tickets.get(session, identity)
    if ticket is None:
        raise not_found("ticket", identity)
    return ticket
