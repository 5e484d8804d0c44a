"""What the routes of API keys do."""

from __future__ import annotations

from sqlalchemy.orm import Session

from api.access.schemas import AuditBody, KeyBody, KeyRequest, NewKeyBody
from api.idempotency import Once
from api.problems import not_found
from core.catalog import audit, keys
from core.catalog.database import Database
from core.catalog.idempotency import Made
from core.catalog.paging import Cursor

DAY = 86_400


def make(database: Database, once: Once, given: KeyRequest) -> tuple[NewKeyBody, bool]:
    """A key to the project, and whether an earlier request with this Idempotency-Key made it."""
    shown = ""

    def create(session: Session) -> Made:
        nonlocal shown
        seconds = None if given.days is None else float(given.days * DAY)
        row, text = keys.create(session, given.name, given.scope, seconds)
        shown = text.text
        return Made(201, row.id)

    made, replayed = once.make(database, "key", given.model_dump_json().encode(), create)
    with database.read() as session:
        row = keys.get(session, made.resource)
        assert row is not None, "keys are revoked, not deleted"
        return NewKeyBody.told(row, None if replayed else shown), replayed


def page(database: Database, limit: int, after: Cursor | None) -> tuple[list[KeyBody], Cursor | None]:
    """The project's keys, newest first, and where the next page starts."""
    with database.read() as session:
        found = keys.page(session, limit, after)
        return [KeyBody.of(row) for row in found.rows], found.next


def revoke(database: Database, key_id: str) -> KeyBody:
    """Revoke a key; again, it changes nothing."""
    with database.write("revoke") as session:
        row = keys.revoke(session, key_id)
        if row is None:
            raise not_found("key", key_id)
        return KeyBody.of(row)


def entries(
    database: Database, limit: int, after: Cursor | None, resource: str | None
) -> tuple[list[AuditBody], Cursor | None]:
    """The project's audit log, newest first, and where the next page starts."""
    with database.read() as session:
        found = audit.page(session, limit, after, resource)
        return [AuditBody.of(row) for row in found.rows], found.next
