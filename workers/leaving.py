"""A trainer that is asked to leave saves what it trains and ends; one that has taken no step ends at once."""

from __future__ import annotations

import mmap
import os
import signal

from workers.protocol import SAVE_AND_END

LEFT = 71
"""The exit status of a trainer that left."""
_ASKED, _BEGUN = 0, 1


class Leaving:
    """Whether this attempt is asked to leave: the trainer is, and its ranks, forked from it, see so too.

    The trainer alone is signalled: what it started, such as compilers, must not die of the signal while it goes on.
    """

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 2)
        self._saved = False
        signal.signal(SAVE_AND_END, self._ask)

    def _ask(self, *_: object) -> None:
        self._shared[_ASKED] = 1
        if not self._shared[_BEGUN]:
            os._exit(LEFT)

    @property
    def asked(self) -> bool:
        """Whether a state is to be saved now."""
        return bool(self._shared[_ASKED])

    def step(self) -> None:
        """A step was taken. What was asked for is saved by all that train at once before the next one: leave."""
        self._shared[_BEGUN] = 1
        if self._saved:
            os._exit(LEFT)

    def saved(self) -> None:
        """A state was saved."""
        self._saved = self.asked
