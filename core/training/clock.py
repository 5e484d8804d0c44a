"""Where the time of a training goes: some steps are timed part by part."""

from __future__ import annotations

import time
from collections import defaultdict

import torch

EVERY = 32
"""One step in so many is timed: on a GPU every lap waits for the device."""


class Clock:
    """Splits the time of sampled steps into named parts."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._parts: dict[str, float] = defaultdict(float)
        self._steps = 0
        self._timing = False
        self._last = 0.0

    def begin(self, step: int) -> None:
        """A step begins; it is timed if its number says so."""
        self._timing = step % EVERY == EVERY // 2
        if self._timing:
            self._steps += 1
            self._last = self._now()

    def lap(self, part: str) -> None:
        """What was done since the last lap was `part`."""
        if self._timing:
            now = self._now()
            self._parts[part] += now - self._last
            self._last = now

    def split(self) -> dict[str, float]:
        """Mean seconds of each part of a step; empty before the first timed one."""
        return {part: seconds / self._steps for part, seconds in self._parts.items()}

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()
