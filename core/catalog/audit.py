"""Who did what, and when: an entry for every change, written in its transaction, and for every key that was refused.

So no change that was acknowledged lacks its entry, and no entry tells of a change that was rolled back.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import insert
from sqlalchemy.orm import Session

from core.catalog.paging import Cursor, Page, newest_first
from core.catalog.tables import AuditEntry, Base

By = Literal["key", "cookie", "anyone", "stranger", "operator", "retention"]
"""What let them in: a key, a browser signed in with one, an installation that asks for none; nothing; a shell on the
machine; or no person at all."""
Outcome = Literal["done", "unauthenticated", "forbidden"]

_LONGEST = 128
# Straight into the table: no entry is read back by who writes it.
_ENTRY = insert(Base.metadata.tables[AuditEntry.__tablename__])
_RESOURCE, _NOTHING = "resource", "nothing changed"


@dataclass(frozen=True)
class Act:
    """Who asked for something, and for what: by method and route of a request, or the name of a command.

    `resource` is the id that was asked about, if any; no body, no query, and of a key no more than its id.
    """

    by: By
    method: str
    route: str
    resource: str | None = None
    key: str | None = None
    request_id: str | None = None
    address: str | None = None


def about(session: Session, resource: str) -> None:
    """Have the entry of this transaction name what it made."""
    session.info[_RESOURCE] = resource


def nothing(session: Session) -> None:
    """Have no entry of this transaction, which found that there was nothing to change."""
    session.info[_NOTHING] = True


def enter(session: Session, act: Act, outcome: Outcome = "done", project: str | None = None) -> None:
    """Enter an act in the log of the session's project, or else of `project`; without either only operators see it."""
    if not session.info.get(_NOTHING):
        resource = session.info.get(_RESOURCE, act.resource)
        session.execute(_ENTRY, _entry(act, resource, outcome, session.info["project"] or project))


def enter_all(session: Session, acts: Iterable[tuple[Act, str]]) -> None:
    """Enter acts that were done in one transaction, each with what it made."""
    entries = [_entry(act, made, "done", session.info["project"]) for act, made in acts]
    if entries:
        session.execute(_ENTRY, entries)


def _entry(act: Act, resource: str | None, outcome: Outcome, project: str | None) -> dict[str, str | None]:
    return dict(
        id=uuid.uuid4().hex,
        project=project,
        by=act.by,
        key_id=act.key,
        method=act.method,
        route=act.route[:_LONGEST],
        resource=None if resource is None else resource[:_LONGEST],
        outcome=outcome,
        request_id=act.request_id,
        address=act.address,
    )


def page(
    session: Session, limit: int, after: Cursor | None = None, resource: str | None = None
) -> Page[AuditEntry]:
    """Entries, newest first; of the session's project, or of all; only those about `resource`, if one is named."""
    wanted = [] if resource is None else [AuditEntry.resource == resource]
    return newest_first(session, AuditEntry, limit, after, *wanted)
