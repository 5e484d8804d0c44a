"""A mask that changes during training: when, how much, and what grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

from core.jobs.methods import DynamicParameters
from core.pruning import rigl, set_growth


@dataclass(frozen=True)
class Evolution:
    """How the masks of one training change.

    At the steps begin, begin + every, … up to `end` the change takes the place of the optimiser's step. `alpha`: the
    share of a layer's weights that is replaced at step 0; it falls to 0 over end − begin steps. `seed` draws what SET
    grows.
    """

    grow: Literal["rigl", "set"]
    alpha: float
    every: int
    begin: int
    end: int
    seed: int

    @classmethod
    def of(cls, parameters: DynamicParameters, length: int, seed: int) -> Self | None:
        """That of a training of `length` steps; None where the masks are static."""
        if parameters.method == "static":
            return None
        end = parameters.last_update(length)
        return cls(parameters.method, parameters.alpha, parameters.every, parameters.begin, end, seed)

    def due(self, step: int) -> bool:
        """Whether the masks change at a step of the schedule, instead of the weights."""
        return self.begin <= step <= self.end and (step - self.begin) % self.every == 0

    def share(self, step: int) -> float:
        """The share of a layer's weights that is replaced at a step."""
        return rigl.share(step, self.end - self.begin, self.alpha)

    def updated(self, name: str, weight: Tensor, mask: Tensor, gradient: Tensor, step: int) -> Tensor:
        """The mask of the tensor `name` after the update at a step; `gradient`: of all its weights, pruned ones too."""
        match self.grow:
            case "rigl":
                growth = gradient.abs()
            case "set":
                keys = set_growth.keys(self.seed, step, name, weight.numel())
                growth = torch.from_numpy(keys).to(weight.device).view(weight.shape)
        return rigl.updated(weight, mask, growth, self.share(step))
