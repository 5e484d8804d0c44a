"""What a training loop drives: one or several networks of one architecture that take a step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from core.families.architecture import Architecture
from core.jobs import replicates
from core.jobs.recipes import Recipe
from core.pruning.evolution import Evolution
from core.training.checkpoint import Arrays, Slots, TrainingState
from core.training.clock import Clock
from core.training.mode import Mode
from core.training.network import Network
from core.training.perceptron import Perceptrons
from core.training.ranks import ALONE, Ranks


class Engine(Protocol):
    """R networks under training. Whatever is pruned is 0."""

    def step(
        self, images: Sequence[Tensor], labels: Sequence[Tensor], number: int, rate: float, clock: Clock
    ) -> Tensor:
        """One step of each on its own normalised [B, C, H, W] and labels [B]; the mean losses, [R].

        `number`: which step of the schedule it is.
        """

    def logits(self, images: Tensor, *, precisely: bool) -> Tensor:
        """What each makes of the same images in evaluation mode, [R, B, classes]; `precisely` in float32 throughout."""

    def weights(self) -> list[Arrays]:
        """All parameters and buffers of each, float32."""

    def masks(self) -> list[Arrays]:
        """Those of each, boolean."""

    def slots(self) -> list[Slots]:
        """What the optimiser remembers of each."""


def at_once(architecture: Architecture, exact: bool, ranks: Ranks = ALONE, *, evolving: bool = False) -> int:
    """How many replicates are trained as one computation.

    Exactly, on several ranks, or with masks that change, each is trained by itself.
    """
    return replicates.at_once(architecture.family, alone=exact or ranks.size > 1 or evolving)


def engine_for(
    architecture: Architecture,
    recipe: Recipe,
    states: Sequence[TrainingState],
    device: torch.device,
    mode: Mode,
    ranks: Ranks = ALONE,
    evolution: Evolution | None = None,
) -> Engine:
    """The engine that goes on from these states, one per replicate."""
    if at_once(architecture, mode.exact, ranks, evolving=evolution is not None) > 1:
        return Perceptrons(architecture, recipe, states, device, mode.dtype)
    (state,) = states
    return Network(architecture, recipe, state, device, mode, ranks, evolution)
