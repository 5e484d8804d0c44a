"""Several computations timed against each other, in turns, so that whatever slows the machine meets all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch

LEAST_ROUNDS = 9
WON = 0.8
"""The share of rounds in which one must be faster to be called so: of nine eight, as in 2 % of tries by chance."""


@dataclass(frozen=True)
class Rounds:
    """Seconds of each computation, round by round."""

    seconds: Sequence[Sequence[float]]

    def median(self, one: int) -> float:
        """Its median seconds."""
        return median(self.seconds[one])

    def beats(self, one: int, other: int) -> bool:
        """Whether one is faster than another in four fifths of the rounds or more."""
        pairs = list(zip(self.seconds[one], self.seconds[other], strict=True))
        return sum(mine < theirs for mine, theirs in pairs) >= WON * len(pairs)


@torch.no_grad()
def in_rounds(calls: Sequence[Callable[[], object]], device: torch.device, seconds: float) -> Rounds:
    """Run all in turns for about so long, nine rounds at least; every other round backwards, after one unmeasured."""
    found: list[list[float]] = [[] for _ in calls]
    for call in calls:
        _seconds(call, device)
    end = time.perf_counter() + seconds
    order = list(zip(calls, found, strict=True))
    while len(found[0]) < LEAST_ROUNDS or time.perf_counter() < end:
        for call, times in order:
            times.append(_seconds(call, device))
        order.reverse()
    return Rounds(found)


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
