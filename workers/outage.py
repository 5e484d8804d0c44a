"""Says once that something is away and once that it is back, however often it is tried meanwhile."""

from __future__ import annotations

import logging
import math
import time


class Outage:
    """The log of one thing that may be away: each kind of error once, and again by the minute."""

    EVERY_SECONDS = 60.0

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self._begun: float | None = None
        self._said: dict[str, float] = {}

    def goes_on(self, error: Exception) -> None:
        """It failed: log that, unless it was logged lately."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = now
            self._said.clear()
        # A cut connection is told in several ways, by turns.
        kind = type(error).__name__
        if now - self._said.get(kind, -math.inf) >= self.EVERY_SECONDS:
            self._said[kind] = now
            self._log.warning("%s failed and will be tried again: %s", self._what, _gist(error))

    def is_over(self) -> None:
        """It worked: log that, where it did not before."""
        if self._begun is not None:
            self._log.info("%s works again, after %.1f s", self._what, time.monotonic() - self._begun)
            self._begun = None


def _gist(error: Exception) -> str:
    """The first line: SQLAlchemy tells the statement after it."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
