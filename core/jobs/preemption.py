"""Who gives way: a job that waits for room may have it from jobs of clearly lower priority, which resume later.

No job is asked for ever: an attempt is left alone for a time that doubles with every time its job gave way, and a job
that did so `MOST` times is never asked again. What it does between two requests is saved, so it always comes closer to
its end. And it gives way to a priority that is higher by `MARGIN`, so that two jobs can never ask each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.jobs.placement import Held, Need, Offer, place

MARGIN = 10
"""A priority that is higher by less waits for its turn."""
MOST = 5
"""So many times a job gives way at most."""
RESUMABLE = frozenset({"find", "train"})
"""The kinds of job that save training states."""


@dataclass(frozen=True)
class Running:
    """A job at work. `started_at`: of its present attempt; `gave_way`: how often it was asked to, in all attempts."""

    id: str
    kind: str
    priority: int
    held: Held
    started_at: float
    gave_way: int = 0


def may_be_asked(running: Running, priority: int, now: float, patience: float) -> bool:
    """Whether a job may be asked to give way to one of that priority; `patience`: seconds that an attempt may keep."""
    return (
        running.kind in RESUMABLE
        and running.priority + MARGIN <= priority
        and running.gave_way < MOST
        and now - running.started_at >= patience * 2**running.gave_way
    )


def victims(
    offer: Offer, running: Sequence[Running], need: Need, priority: int, now: float, patience: float
) -> list[Running] | None:
    """Whom a worker asks to give way, so that a job of this need and priority has room; None: that cannot be had.

    Those of the lowest priority first, of equals the one that began last; nobody whose place is not needed.
    """
    willing = [one for one in running if may_be_asked(one, priority, now, patience)]
    willing.sort(key=lambda one: (one.priority, -one.started_at, one.id))
    asked: list[Running] = []
    while not _fits(offer, running, asked, need):
        if not willing:
            return None
        asked.append(willing.pop(0))
    for one in reversed(asked.copy()):
        without = [other for other in asked if other is not one]
        if _fits(offer, running, without, need):
            asked = without
    return asked


def _fits(offer: Offer, running: Sequence[Running], gone: Sequence[Running], need: Need) -> bool:
    return place(offer, [one.held for one in running if one not in gone], need) is not None
