"""Which tickets to list, and what is shown of each: rows, not objects, of statements that are built once.

A page of twenty is a request's work many times a second: loading objects took three times as long. Statements of
tables are narrowed by nothing, so each says itself whose rows it means.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    bindparam,
    exists,
    func,
    select,
    tuple_,
)
from sqlalchemy.orm import Session

from core.catalog.paging import Cursor, Page
from core.catalog.scope import project_of
from core.catalog.tables import Provenance, Ticket, TicketTag

FEW = 2000
"""So many tickets are put in order for a page of them; of more each is asked in turn."""


@dataclass(frozen=True)
class TicketFilter:
    """What tickets to list; None asks for nothing."""

    architecture: str | None = None
    family: str | None = None
    dataset: str | None = None
    method: str | None = None
    parent: str | None = None
    tag: str | None = None
    sparsity_min: float | None = None
    sparsity_max: float | None = None


class Listed(NamedTuple):
    """A ticket that is here, by the names that `Ticket` has; its provenance and tags are rows of their tables."""

    id: str
    architecture: str
    family: str
    input: list[int]
    classes: int
    rewind_step: int
    prunable: int
    survivors: int
    sparsity: float
    header_bytes: int
    payload_bytes: int
    created_at: float
    provenance: Sequence[Row[Any]]
    tags: Sequence[Row[Any]]


_TICKETS, _ORIGINS, _TAGS = Ticket.__table__, Provenance.__table__, TicketTag.__table__
_SHOWN = [_TICKETS.c[name] for name in Listed._fields if name in _TICKETS.c]
_PROJECT: BindParameter[str] = bindparam("project")
_HERE = (_TICKETS.c.project == _PROJECT, _TICKETS.c.deleted_at.is_(None))
_OWN: dict[str, ColumnElement[bool]] = {
    "architecture": _TICKETS.c.architecture == bindparam("architecture"),
    "family": _TICKETS.c.family == bindparam("family"),
    "sparsity_min": _TICKETS.c.sparsity >= bindparam("sparsity_min"),
    "sparsity_max": _TICKETS.c.sparsity <= bindparam("sparsity_max"),
}
"""What a ticket's own row tells."""
_OF_ORIGINS = {"dataset": "dataset", "method": "method", "parent": "parent_id"}
"""What its origins tell, by the column."""


def page(
    session: Session, limit: int, after: Cursor | None = None, wanted: TicketFilter = TicketFilter()
) -> Page[Listed]:
    """Tickets, newest first."""
    given = {name: value for name, value in vars(wanted).items() if value is not None}
    project, connection = project_of(session), session.connection()
    values = {"project": project, "limit": limit + 1, **given}
    if after is not None:
        values |= {"after": after.created_at, "after_id": after.id}
    rare = frozenset(
        name
        for name in given.keys() & _OF_ORIGINS.keys()
        if connection.execute(_count(name), values).scalar_one() < FEW
    )
    rows = connection.execute(_page(frozenset(given), rare, after is not None), values).all()
    following = Cursor(rows[limit - 1].place, rows[limit - 1].id) if len(rows) > limit else None
    return Page(_with_parts(connection, project, [tuple(row)[:-1] for row in rows[:limit]]), following)


def one(session: Session, identity: str) -> Listed | None:
    """One ticket."""
    project, connection = project_of(session), session.connection()
    found = connection.execute(_ONE, {"project": project, "id": identity}).first()
    return None if found is None else _with_parts(connection, project, [tuple(found)])[0]


_ONE = select(*_SHOWN).where(*_HERE, _TICKETS.c.id == bindparam("id"))


@lru_cache
def _page(given: frozenset[str], rare: frozenset[str], later: bool) -> Select[Any]:
    """The statement for a page of those that a filter admits of which so much is `given`; `later` than the first.

    The tickets of a tag are walked along in their order, and so are all where there is no better way. Where so few
    have a value of an origin that they can be put in order, they are looked up.
    """
    conditions = [*_HERE, *(_OWN[name] for name in sorted(given & _OWN.keys()))]
    conditions += [_has(name, rare=name in rare) for name in sorted(given & _OF_ORIGINS.keys())]
    tagged = (_TAGS.c.project == _PROJECT, _TAGS.c.tag == bindparam("tag"))
    if rare:
        if "tag" in given:
            conditions.append(exists().where(*tagged, _TAGS.c.ticket_id == _TICKETS.c.id))
        # With a limit, though it cuts off nothing: without, SQLite walks along all tickets from the newest on.
        found = select(*_SHOWN).where(*conditions).limit(FEW).subquery()
        return _in_order(select(found), found, found.c.id, later)
    if "tag" in given:
        conditions += [*tagged, _TAGS.c.ticket_id == _TICKETS.c.id]
        return _in_order(select(*_SHOWN).where(*conditions), _TAGS, _TAGS.c.ticket_id, later)
    return _in_order(select(*_SHOWN).where(*conditions), _TICKETS, _TICKETS.c.id, later)


def _in_order(
    query: Select[Any], dated: FromClause, identity: ColumnElement[Any], later: bool
) -> Select[Any]:
    """Newest first by `dated`, whose time is added as the row's `place`."""
    place = dated.c.created_at
    query = query.add_columns(place.label("place")).order_by(place.desc(), identity.desc())
    if later:
        query = query.where(tuple_(place, identity) < tuple_(bindparam("after"), bindparam("after_id")))
    return query.limit(bindparam("limit"))


def _having(name: str) -> Select[Any]:
    """The tickets of which an origin has the value that a filter gives."""
    column = _ORIGINS.c[_OF_ORIGINS[name]]
    return select(_ORIGINS.c.ticket_id).where(_ORIGINS.c.project == _PROJECT, column == bindparam(name))


def _has(name: str, *, rare: bool) -> ColumnElement[bool]:
    """That a ticket is one of them: of few looked up among them, of many asked of itself."""
    if rare:
        return _TICKETS.c.id.in_(_having(name))
    return _having(name).where(_ORIGINS.c.ticket_id == _TICKETS.c.id).exists()


@lru_cache
def _count(name: str) -> Select[Any]:
    """How many origins say so, as far as `FEW`."""
    return select(func.count()).select_from(_having(name).limit(FEW).subquery())


def _of_those(table: FromClause, columns: Iterable[str], key: str) -> Select[Any]:
    """Rows of some tickets, each ticket's in order of `key`."""
    # By the id alone, within the project: SQLite reads all rows for a list of pairs.
    theirs = (table.c.project == _PROJECT, table.c.ticket_id.in_(bindparam("ids", expanding=True)))
    shown = [table.c[name] for name in ("ticket_id", *columns)]
    return select(*shown).where(*theirs).order_by(table.c.ticket_id, table.c[key])


_PROVENANCE = _of_those(
    _ORIGINS, ("method", "dataset", "seed", "level", "parent_id", "job_id", "details", "created_at"), "id"
)
_TAGGED = _of_those(_TAGS, ("tag",), "tag")


def _with_parts(connection: Connection, project: str, rows: Sequence[tuple[Any, ...]]) -> list[Listed]:
    """Tickets of which the first columns are known, each with its provenance and its tags."""
    values = {"project": project, "ids": [row[0] for row in rows]}
    origins, tags = (_by_ticket(connection.execute(query, values).all()) for query in (_PROVENANCE, _TAGGED))
    return [Listed._make((*row, origins[row[0]], tags[row[0]])) for row in rows]


def _by_ticket(rows: Iterable[Row[Any]]) -> dict[str, list[Row[Any]]]:
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found
