"""How fast an attempt takes its steps, and so how long the rest will last."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

LEAST_SECONDS, LEAST_STEPS = 1.0, 10
"""A span of time that says something of the rate has at least so much of both."""
ALIKE = 1.25
"""Rates whose ratio is not larger agree."""


@dataclass(frozen=True)
class _Mark:
    """After `steps` steps it was `at`."""

    steps: int
    at: float

    def seconds_per_step(self, since: _Mark) -> float:
        return (self.at - since.at) / (self.steps - since.steps)


class Pace:
    """The rate of the steps that were taken here, from the first one on.

    What comes before the first step (imports, data, waiting, tuning) does not count, nor do steps that were read back:
    nobody took them. Marks are set at twice the time each. The rate is told once two spans between them agree; of
    those that do not, such as a slow start, the earlier is forgotten.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steps = 0
        self._settled = False
        # The first step, or the one up to which everything is forgotten; and the latest mark after it.
        self._start = self._mark = _Mark(0, 0.0)
        self._next = LEAST_SECONDS

    def step(self) -> None:
        """A step was taken."""
        self._steps += 1
        now = _Mark(self._steps, self._clock())
        if self._steps == 1:
            self._start = self._mark = now
            return
        span = now.at - self._mark.at
        if span < self._next or now.steps - self._mark.steps < LEAST_STEPS:
            return
        if self._mark is not self._start:
            rates = self._mark.seconds_per_step(self._start), now.seconds_per_step(self._mark)
            if max(rates) <= ALIKE * min(rates):
                self._settled = True
            else:
                self._start = self._mark
            self._next = 2 * span
        self._mark = now

    def seconds_for(self, steps: int) -> float | None:
        """How long so many further steps will take; None as long as nobody can tell."""
        if not self._settled:
            return None
        return steps * _Mark(self._steps, self._clock()).seconds_per_step(self._start)
