"""What the ticket routes do."""

from __future__ import annotations

import json

from sqlalchemy.orm import Session

from api import limits
from api.catalogue.service import NAME_TAKEN
from api.deletion import absent
from api.idempotency import Once
from api.problems import Flaw, Rejected
from api.tickets.imports import Said, enter_import, is_foreign, refuse_options
from api.tickets.schemas import Lineage, Results, TicketBody
from api.tickets.upload import Upload, check_tags, too_many_tags
from core.catalog import deletion, ticket_lists, tickets
from core.catalog.architectures import NameTaken
from core.catalog.artifacts import ArtifactStore
from core.catalog.database import Database
from core.catalog.idempotency import Made
from core.catalog.paging import Cursor
from core.catalog.tables import Ticket
from core.catalog.ticket_lists import TicketFilter
from core.catalog.tickets import TooManyTags
from core.settings import Settings
from core.tickets import read, ticket_id


def enter(
    database: Database,
    store: ArtifactStore,
    settings: Settings,
    once: Once,
    upload: Upload,
    said: Said,
    tags: list[str],
) -> tuple[Made, bool]:
    """Enter a received file: a ticket, or the job that is to import one; raises `InvalidTicket` or `Unreadable`."""
    check_tags(tags)
    if is_foreign(upload.staged.path, said):
        return enter_import(database, settings, once, upload, said, tags)
    refuse_options(said)
    return enter_ticket(database, store, once, upload, tags)


def enter_ticket(
    database: Database, store: ArtifactStore, once: Once, upload: Upload, tags: list[str]
) -> tuple[Made, bool]:
    """Enter a ticket file; raises `InvalidTicket`. It is durable before any row speaks of it.

    Where the ticket is here already its first file is kept, and this one is not, unless that is missing or damaged.
    """
    file = read(upload.staged.path)
    identity = ticket_id(file.ticket)
    content = json.dumps([upload.staged.digest, *sorted(tags)]).encode()
    with database.read() as session:
        earlier = once.earlier(session, content)
        known = tickets.get(session, identity)
    lost = known.file_digest if known and not store.has_intact(known.file_digest) else None
    digest = upload.staged.commit() if known is None or lost else known.file_digest
    if earlier is not None:
        return earlier, True

    def register(session: Session) -> Made:
        try:
            new = tickets.register(session, identity, file, digest, lost=lost)
            tickets.tag(session, identity, tags)
            if new:
                limits.grew(session, upload.size)
        except NameTaken as error:
            # The file brings along a posted architecture.
            flaw = Flaw(
                location="file", where="definition", what="its name is taken", accepted="another name"
            )
            raise Rejected(NAME_TAKEN, str(error), flaw) from None
        except TooManyTags as error:
            raise too_many_tags(str(error)) from None
        return Made(201 if new else 200, identity)

    return once.make(database, "ticket", content, register)


def show(database: Database, identity: str) -> TicketBody:
    """One ticket."""
    with database.read() as session:
        found = ticket_lists.one(session, identity)
        if found is None:
            raise absent(session, Ticket, identity)
        return TicketBody.of(found)


def page(
    database: Database, limit: int, after: Cursor | None, wanted: TicketFilter
) -> tuple[list[TicketBody], Cursor | None]:
    """Tickets, newest first, and where the next page starts."""
    with database.read() as session:
        found = ticket_lists.page(session, limit, after, wanted)
    return [TicketBody.of(ticket) for ticket in found.rows], found.next


def lineage(database: Database, identity: str) -> Lineage:
    """A ticket's ancestors and children; also those of one that was deleted."""
    with database.read() as session:
        if deletion.tombstone(session, identity) is None:
            existing(session, identity)
        ancestors, children = tickets.ancestors(session, identity), tickets.children(session, identity)
        tickets.load_origins(session, [*ancestors, *children])
        return Lineage.of(identity, ancestors, children)


def results(database: Database, identity: str) -> Results:
    """A ticket's measured accuracies."""
    with database.read() as session:
        existing(session, identity)
        return Results.of(tickets.results(session, identity))


def file_digest(database: Database, identity: str) -> str:
    """The artifact that holds a ticket's file."""
    with database.read() as session:
        return existing(session, identity).file_digest


def existing(session: Session, identity: str) -> Ticket:
    """A ticket that is there; raises `Rejected`."""
    ticket = tickets.get(session, identity)
    if ticket is None:
        raise absent(session, Ticket, identity)
    return ticket
