"""Our own loop, as a benchmark runs it: what it is asked for, and when it is held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.cases import Case, start
from core.training.checkpoint import EpochRecord, TrainingState
from core.training.loop import train

MODES: dict[str, dict[str, Any]] = {"fp32": {"exact": False}}
"""What `train` is told for each kind of arithmetic."""


@dataclass(frozen=True)
class Variant:
    """Our loop in one kind of arithmetic, with so many seeds trained at once by a process."""

    mode: str
    seeds: int

    def __str__(self) -> str:
        return f"{self.mode}, {self.seeds} seed{'s' * (self.seeds > 1)}"


VARIANTS = tuple(Variant(mode, 1) for mode in MODES)


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


def run(case: Case, variant: Variant, images: int, observer: Follower) -> None:
    """Train on `images` random images, until the observer ends it."""
    if variant.seeds != 1:
        raise ValueError("train takes one seed")
    recipe, network = case.recipe, case.architecture
    weights, masks = start(network, recipe, 0)
    train(
        network,
        case.random_images(images),
        recipe,
        seed=0,
        weights=weights,
        masks=masks,
        observer=observer,
        **MODES[variant.mode],
    )
