"""What the list of jobs holds: those at work, the queue in its order, and a page of those that have ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from api.pages.jobs import ACTIVE, ENDED
from core.catalog import queue, search
from core.catalog.paging import Cursor
from core.catalog.search import JobFilter, Order
from core.catalog.tables import Job
from core.jobs.states import HELD, State

PAGE = 25
ACTIVE_SHOWN = 50


@dataclass(frozen=True)
class Found:
    """`more`: not all that goes on is shown; `next`: where the next page starts, None on the last."""

    going: Sequence[Job]
    gone: Sequence[Job]
    next: Cursor | None
    more: bool = False


def found(session: Session, wanted: JobFilter, start: Cursor | None, order: Order) -> Found:
    """The jobs of the page that starts at `start`.

    What goes on stands on the first page only, and there before everything else; where a state that goes on is asked
    for, the pages are of that.
    """
    asked = set(wanted.states or State)
    if not asked & set(ENDED):
        page = search.page(session, ACTIVE_SHOWN, start, wanted, order)
        return Found(page.rows, [], page.next)
    page = search.page(session, PAGE, start, _only(wanted, asked & set(ENDED)), order)
    if start is not None or not asked & set(ACTIVE):
        return Found([], page.rows, page.next)
    most = ACTIVE_SHOWN + 1
    parts = (
        search.page(session, most, None, _only(wanted, HELD)).rows,
        queue.front(session, most, wanted),
        search.page(session, most, None, _only(wanted, [State.WAITING])).rows,
    )
    going = [job for part in parts for job in part]
    return Found(going[:ACTIVE_SHOWN], page.rows, page.next, len(going) > ACTIVE_SHOWN)


def _only(wanted: JobFilter, states: Iterable[State]) -> JobFilter:
    return replace(wanted, states=[state for state in State if state in states])
