"""Which jobs to list: those in some states straight from an index, all else among a bounded number of rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_, union_all
from sqlalchemy.orm import Session

from core.catalog import tickets
from core.catalog.paging import Cursor, Page
from core.catalog.tables import Job
from core.jobs.specs import JobSpec
from core.jobs.states import State

SCAN = 10_000
"""Jobs that one page looks through for those it lists; `Page.next` goes on from there."""
ID_PREFIX = re.compile("[0-9a-f]{8,32}")
"""A word that may be the beginning of a job's id; such a job is found wherever it stands."""

Order = Literal["newest", "oldest"]


@dataclass(frozen=True)
class JobFilter:
    """What jobs to list; what is empty asks for nothing.

    `architecture`: the job's own, its target's, one passed through, or that of a ticket it was given. `text`: words,
    each of which is part of the job's id, its worker's name, or what it is about, as `about` says it.
    """

    states: Sequence[State] = ()
    kinds: Sequence[str] = ()
    dataset: str | None = None
    architecture: str | None = None
    text: str = ""

    @property
    def words(self) -> list[str]:
        """The words to look for; PostgreSQL knows no NUL."""
        return self.text.replace("\0", "").lower().split()

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """All but the states, as far as a job's row can tell."""
        found: list[ColumnElement[bool]] = []
        if self.kinds:
            found.append(Job.kind.in_(self.kinds))
        for name, value in (("dataset", self.dataset), ("architecture", self.architecture)):
            if value:
                exactly = f" {name}:{value} ".replace("\0", "").lower()
                found.append(Job.about.contains(exactly, autoescape=True))
        for word in self.words:
            in_text = Job.about.contains(word, autoescape=True)
            by = func.lower(Job.worker).contains(word, autoescape=True)
            found.append(or_(in_text, Job.id.startswith(word, autoescape=True), by))
        return found


EVERY_JOB = JobFilter()


def about(session: Session, spec: JobSpec) -> str:
    """What a job is about, to be searched: `name:value` words in lower case, between single spaces.

    Its kind, every architecture, dataset, method, order, format, and the ids of the jobs and tickets that it names.
    """
    given = spec.model_dump(mode="json")
    networks = tickets.architecture_names(session, filter(None, _tickets(given)))
    words = dict.fromkeys(f"{name}:{value}" for name, value in _said(given, networks) if value)
    return f" {' '.join(words)} ".lower()


def _tickets(given: Mapping[str, Any]) -> list[Any]:
    return [*(given.get("tickets") or ()), given.get("ticket")]


def _said(given: Mapping[str, Any], networks: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    yield "kind", given["kind"]
    for ticket in _tickets(given):
        yield "architecture", networks.get(ticket)
    for hop in (*(given.get("via") or ()), given):
        yield "architecture", hop.get("architecture")
    for name in ("dataset", "method", "format"):
        yield name, given.get(name)
    yield "method", (given.get("sparsity_schedule") or {}).get("method")
    if isinstance(given.get("order"), str):
        yield "order", given["order"]
    yield "job", given.get("job")
    for end in given.get("trainings") or ():
        yield "job", end["job"]
    for ticket in _tickets(given):
        yield "ticket", ticket


def page(
    session: Session,
    limit: int,
    after: Cursor | None = None,
    wanted: JobFilter = EVERY_JOB,
    order: Order = "newest",
) -> Page[Job]:
    """Jobs by the time they were asked for.

    A filter that says more than states looks through `SCAN` jobs of each state at most: such a page may hold fewer
    than `limit`, even none, and still have a next one.
    """
    if named := _named(session, limit, wanted):
        return Page(named, None)
    walks = list(_walks(after, wanted.states, order))
    edge = _edge(session, walks, order) if wanted.conditions else None
    conditions = wanted.conditions + ([] if edge is None else [~_past(edge, order)])
    rows = session.scalars(_all_of(walks, conditions, order, limit + 1)).all()
    if len(rows) > limit:
        return Page(rows[:limit], Cursor(rows[limit - 1].created_at, rows[limit - 1].id))
    return Page(rows, edge)


def _all_of(
    walks: Sequence[list[ColumnElement[bool]]],
    conditions: Sequence[ColumnElement[bool]],
    order: Order,
    limit: int,
) -> Select[Job]:
    """The first jobs of all walks together."""
    if len(walks) == 1:
        return select(Job).where(*walks[0], *conditions).order_by(*_by(order)).limit(limit)
    parts = [
        select(Job.id).where(*where, *conditions).order_by(*_by(order)).limit(limit).subquery()
        for where in walks
    ]
    ids = union_all(*(select(part.c.id) for part in parts))
    return select(Job).where(Job.id.in_(ids)).order_by(*_by(order)).limit(limit)


def _named(session: Session, limit: int, wanted: JobFilter) -> Sequence[Job]:
    """The jobs whose id begins with the only word that is looked for."""
    match wanted.words:
        case [word] if ID_PREFIX.fullmatch(word):
            # No hexadecimal digit comes after "f".
            near = (Job.id >= word, Job.id < word + "g", *wanted.conditions)
            states = (Job.state.in_(wanted.states),) if wanted.states else ()
            return session.scalars(select(Job).where(*near, *states).order_by(Job.id).limit(limit)).all()
    return ()


def _walks(
    after: Cursor | None, states: Sequence[State], order: Order
) -> Iterator[list[ColumnElement[bool]]]:
    """One walk along an index for each state: the rows of several at once would have to be sorted."""
    past = [] if after is None else [_past(after, order)]
    if not states:
        yield past
    for state in dict.fromkeys(states):
        yield [Job.state == state, *past]


def _past(cursor: Cursor, order: Order) -> ColumnElement[bool]:
    row, place = tuple_(Job.created_at, Job.id), (cursor.created_at, cursor.id)
    return row < place if order == "newest" else row > place


def _by(order: Order) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    keys = (Job.created_at, Job.id)
    return tuple(key.desc() if order == "newest" else key.asc() for key in keys)  # type: ignore[return-value]


def _edge(session: Session, walks: Sequence[list[ColumnElement[bool]]], order: Order) -> Cursor | None:
    """Where the page stops looking: the nearest `SCAN`th row of all walks; None where every one ends before."""
    keys = select(Job.created_at, Job.id).order_by(*_by(order)).offset(SCAN - 1).limit(1)
    found = [row for where in walks for row in session.execute(keys.where(*where))]
    if not found:
        return None
    return Cursor(*(max(found) if order == "newest" else min(found)))
