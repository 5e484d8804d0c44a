"""A slice: as much of a report as fits in a given time."""

from __future__ import annotations

import time


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
