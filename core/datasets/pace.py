"""How many processes should decode, and how far ahead: found by trying."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from core.datasets.decoding import PIECE, Pace

log = logging.getLogger(__name__)

Open = Callable[[Pace], Iterator[object]]

_GROWTH = 1.05
_SECONDS = 1.0
_BURSTS = 3


def measured(open_at: Open, batch: int) -> Pace:
    """The pace at which this machine decodes best, logged with what was measured.

    `open_at` decodes pieces without end at a pace. Processes double up to the cores allotted to this one, for as long
    as that brings 5 %; none, unless they beat decoding here by as much. How far ahead they work is doubled likewise
    under a training that computes as long on each batch as it takes to decode, when it matters most.
    """
    rates: dict[int, float] = {0: _steady(open_at(Pace(0, 0)), 1)}

    def steady(processes: int) -> float:
        rates[processes] = _steady(open_at(Pace(processes, 2)), processes)
        return rates[processes]

    processes = climb(steady, doublings(len(os.sched_getaffinity(0))))
    pace = Pace(0, 0)
    if rates[processes] >= _GROWTH * rates[0]:
        pieces, pause = -(-batch // PIECE), batch / rates[processes]
        # What lies further ahead than two batches serves nothing.
        depths = doublings(-(-2 * pieces // processes))
        pace = Pace(
            processes, climb(lambda ahead: _bursts(open_at(Pace(processes, ahead)), pieces, pause), depths)
        )
    by_processes = ", ".join(f"{rate:.0f} in {count}" for count, rate in sorted(rates.items()))
    log.info(
        "images are decoded in %d processes, %d pieces of %d ahead in each; images/s measured by processes: %s",
        pace.processes,
        pace.ahead,
        PIECE,
        by_processes,
    )
    return pace


def climb(rate: Callable[[int], float], candidates: Iterable[int]) -> int:
    """The first candidate that the next one does not beat by 5 %."""
    best, reached = 0, 0.0
    for candidate in candidates:
        found = rate(candidate)
        if found < _GROWTH * reached:
            break
        best, reached = candidate, found
    return best


def doublings(most: int) -> list[int]:
    """1, 2, 4 … and the most."""
    return [*(1 << n for n in range((most - 1).bit_length())), most]


def _steady(decoded: Iterator[object], processes: int) -> float:
    """Images per second once every process is at work; they may finish together, so whole rounds are counted."""
    _take(decoded, processes)
    began, rounds, elapsed = time.perf_counter(), 0, 0.0
    while elapsed < _SECONDS:
        _take(decoded, processes)
        rounds, elapsed = rounds + 1, time.perf_counter() - began
    return rounds * processes * PIECE / elapsed


def _bursts(decoded: Iterator[object], pieces: int, pause: float) -> float:
    """Batches per second when each is taken at once after a pause."""
    _take(decoded, pieces)
    began = time.perf_counter()
    for _ in range(_BURSTS):
        time.sleep(pause)
        _take(decoded, pieces)
    return _BURSTS / (time.perf_counter() - began)


def _take(decoded: Iterator[object], count: int) -> None:
    for _ in islice(decoded, count):
        pass
