"""How much work the pickles of one upload may make, counted together however many files they are in."""

from __future__ import annotations

from core.interchange.failure import Reason, Unreadable

MOST_STEPS = 2_000_000
"""A hundred checkpoints of ResNet-50; an opcode takes a microsecond."""


class Effort:
    """Counts opcodes, items that are copied, nodes of the trees that are walked, and members of zips."""

    def __init__(self) -> None:
        self.left = MOST_STEPS

    def spend(self, steps: int = 1) -> None:
        """Charge some steps; raises `Unreadable` once there were too many."""
        self.left -= steps
        if self.left < 0:
            raise Unreadable(
                Reason.PICKLE_TOO_LONG, "file", f"at most {MOST_STEPS} opcodes and values in all its pickles"
            )
