"""Says once that something is away and once that it is back, however often it is tried meanwhile."""

from __future__ import annotations

import logging
import time


class Outage:
    """The log of one thing that may be away: each error once, and again by the minute."""

    EVERY_SECONDS = 60.0

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self._begun: float | None = None
        self._said: tuple[str, float] = ("", 0.0)

    def goes_on(self, error: Exception) -> None:
        """It failed: log that, unless it was logged lately."""
        now = time.monotonic()
        first = self._begun is None
        self._begun = now if self._begun is None else self._begun
        words, at = self._said
        if first or words != _gist(error) or now - at >= self.EVERY_SECONDS:
            self._said = (_gist(error), now)
            self._log.warning("%s failed and will be tried again: %s", self._what, _gist(error))

    def is_over(self) -> None:
        """It worked: log that, where it did not before."""
        if self._begun is not None:
            self._log.info("%s works again, after %.1f s", self._what, time.monotonic() - self._begun)
            self._begun = None


def _gist(error: Exception) -> str:
    """The first line: SQLAlchemy tells the statement after it."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
