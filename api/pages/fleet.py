"""The page of the fleet: who works, what waits, what ended, and what it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from api.access.policies import reads
from api.dependencies import DatabaseDep, SettingsDep, StoreDep
from api.health import unready
from api.pages.formats import duration
from api.pages.plan import Bar
from api.pages.rendering import render
from core.catalog.fleet import Day, Hour, fleet
from core.jobs.states import TERMINAL, State

router = APIRouter(include_in_schema=False, dependencies=[reads])

IDLE_SHOWN = 50
ENDED = [state for state in State if state in TERMINAL]


@dataclass(frozen=True)
class Piece:
    """One part of a column, from the top of a chart that is 100 high."""

    name: str
    top: float
    height: float


@dataclass(frozen=True)
class Column:
    """One hour of a chart in which each is 10 wide."""

    label: str
    x: int
    pieces: Sequence[Piece]


@router.get("/ui/fleet")
def fleet_page(database: DatabaseDep, store: StoreDep, settings: SettingsDep) -> HTMLResponse:
    """Workers, the queue, and the last day."""
    flaws = unready(database, store, settings)
    with database.read() as session:
        found = fleet(session)
    idle = [worker for worker in found.workers if not worker.holds]
    return render(
        "fleet.html",
        at=found.at,
        working=[worker for worker in found.workers if worker.holds],
        idle=idle[:IDLE_SHOWN],
        unshown=max(0, len(idle) - IDLE_SHOWN),
        pools=found.pools,
        demand=found.demand,
        queue=found.queue,
        dispatch=found.dispatch,
        flaws=flaws,
        hours=found.hours,
        columns=columns(found.hours),
        most=max(_ended(hour) for hour in found.hours),
        ended=sum(map(_ended, found.hours)),
        states=ENDED,
        clock=clock,
        days=days(found.days),
    )


def columns(hours: Sequence[Hour]) -> list[Column]:
    """Each hour's jobs, piled up: those that succeeded below."""
    most = max(map(_ended, hours)) or 1
    found = []
    for place, hour in enumerate(hours):
        pieces, top = [], 100.0
        for state in ENDED:
            height = 100 * getattr(hour, state) / most
            top -= height
            if height:
                pieces.append(Piece(state, top, height))
        told = ", ".join(f"{getattr(hour, state)} {state}" for state in ENDED if getattr(hour, state))
        found.append(Column(f"{clock(hour.start)}: {told or 'none'}", 10 * place + 1, pieces))
    return found


def days(taken: Sequence[Day]) -> list[Bar]:
    """Each day's device time beside the longest, the newest first."""
    most = max(day.device_seconds for day in taken) or 1.0
    return [
        Bar(
            f"{datetime.fromtimestamp(day.start, UTC):%a %Y-%m-%d}",
            duration(day.device_seconds) if day.device_seconds else "–",
            day.device_seconds / most,
            best=False,
        )
        for day in reversed(taken)
    ]


def clock(at: float) -> str:
    """The hour that begins then."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M} UTC"


def _ended(hour: Hour) -> int:
    return hour.succeeded + hour.failed + hour.cancelled
