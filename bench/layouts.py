"""How a machine's cores are spent on a loop: processes, threads, and processes that load images."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from workers.zygote import environment

MOST_LOADERS = 2


@dataclass(frozen=True, order=True)
class Layout:
    """`processes` at once, each with `threads` that compute and `loaders` of a DataLoader beside it.

    `passive`: waiting OpenMP threads sleep, as a trainer's do; otherwise they spin for a while, which is OpenMP's own
    choice and faster where nothing else runs.
    """

    processes: int
    threads: int
    loaders: int = 0
    passive: bool = True

    @property
    def environment(self) -> dict[str, str]:
        """What a process starts with: what the supervisor starts trainers with, but for the waiting."""
        chosen = environment(self.threads)
        if not self.passive:
            del chosen["OMP_WAIT_POLICY"]
        return os.environ | chosen

    def as_json(self) -> dict[str, Any]:
        """Its fields, from which it can be made again."""
        return asdict(self)

    def __str__(self) -> str:
        words = [f"{self.processes} × {self.threads} thread{'s' * (self.threads > 1)}"]
        if self.loaders:
            words.append(f"{self.loaders} loader{'s' * (self.loaders > 1)}")
        return ", ".join(words + ["spinning"] * (not self.passive))


def ours(cores: int) -> tuple[Layout, ...]:
    """One process of 1, 2, 4, … threads, and as many processes of one thread as there are cores."""
    return tuple(Layout(processes, threads) for processes, threads in _shapes(cores))


def reference(cores: int) -> tuple[Layout, ...]:
    """The same with 0, 1 or 2 loaders each, no more than cores; several threads under both ways of waiting."""
    return tuple(
        Layout(processes, threads, loaders, passive)
        for processes, threads in _shapes(cores)
        for loaders in range(min(MOST_LOADERS, cores) + 1)
        for passive in ((True, False) if threads > 1 else (True,))
    )


def _shapes(cores: int) -> list[tuple[int, int]]:
    doubling = {2**power for power in range(cores.bit_length()) if 2**power <= cores}
    shapes = [(1, threads) for threads in sorted(doubling | {cores})]
    return shapes + [(cores, 1)] * (cores > 1)
