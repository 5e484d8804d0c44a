"""A slice: as much of a report as fits in a given time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType

GRACE = 20.0
"""Seconds after a slice's end in which what was begun may end by itself."""


class OutOfTime(Exception):
    """The slice is over; what it did is kept, and the next one goes on."""


class Slice:
    """Begins when it is made."""

    def __init__(self, seconds: float) -> None:
        self._begun = time.monotonic()
        self._length = seconds

    @property
    def spent(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun

    @property
    def left(self) -> float:
        """Seconds to go, at least 0."""
        return max(0.0, self._length - self.spent)

    @property
    def over(self) -> bool:
        """Whether nothing new should be begun."""
        return self.left == 0.0


def cut_after(seconds: float, last: Callable[[], None]) -> None:
    """Do `last` and end the process, well, after so many seconds: a compiler at work asks nobody for the time.

    All that a slice keeps is whole at any moment.
    """

    def cut(signum: int, frame: FrameType | None) -> None:
        last()
        os._exit(0)

    signal.signal(signal.SIGALRM, cut)
    signal.setitimer(signal.ITIMER_REAL, seconds)
