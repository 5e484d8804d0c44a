"""Our own loop, as a benchmark runs it: what it is asked for, and when it is held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from bench.cases import Case, start
from core.training.checkpoint import EpochRecord, TrainingState
from core.training.engine import at_once
from core.training.loop import Replicate, train
from core.training.mode import Mode, compiles

MODES = {"fp32": Mode(), "bf16": Mode(precision="bfloat16")}
"""The kinds of arithmetic, by the names that the ceiling has for them."""


@dataclass(frozen=True)
class Variant:
    """Our loop in one kind of arithmetic, with so many seeds trained at once by a process."""

    mode: str
    seeds: int

    def __str__(self) -> str:
        return f"{self.mode}, {self.seeds} seed{'s' * (self.seeds > 1)}"


def variants(case: Case) -> list[Variant]:
    """In every kind of arithmetic; three seeds where they are trained at once, and not one after the other."""
    together = at_once(case.architecture, exact=False) > 1
    return [Variant(mode, seeds) for seeds in ((1, 3) if together else (1,)) for mode in MODES]


class Follower:
    """An observer that asks for no checkpoint and is otherwise silent."""

    def step(self, step: int, total: int) -> None: ...

    def epoch(self, record: EpochRecord) -> None: ...

    def checkpoint_due(self) -> bool:
        return False

    def checkpoint(self, state: TrainingState) -> None: ...


class EachEpoch(Follower):
    """Calls back after every epoch."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then

    def epoch(self, record: EpochRecord) -> None:
        self._then()


def mode_of(case: Case, name: str) -> Mode:
    """The mode that a training long enough to be worth it is tuned to: convolutional networks are compiled."""
    compiled = at_once(case.architecture, exact=False) == 1 and compiles(torch.device("cpu"))
    return replace(MODES[name], compiled=compiled)


def run(case: Case, variant: Variant, images: int, observer: Follower) -> None:
    """Train on `images` random images, until the observer ends it; it is told of the first seed alone."""
    replicates = [
        Replicate(
            seed,
            TrainingState.fresh(*start(case.architecture, case.recipe, seed)),
            Follower() if seed else observer,
        )
        for seed in range(variant.seeds)
    ]
    dataset = case.random_images(images)
    train(case.architecture, dataset, case.recipe, replicates, mode=mode_of(case, variant.mode))
