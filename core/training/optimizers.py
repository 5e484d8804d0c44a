"""The optimiser of a recipe, and what it remembers of every parameter from one step to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from core.families.architecture import Architecture, Role
from core.jobs.recipes import Recipe
from core.training.checkpoint import Slots

_SPARED = frozenset({Role.BIAS, Role.SCALE, Role.SHIFT})


def optimizer_of(recipe: Recipe, architecture: Architecture, model: nn.Module) -> Optimizer:
    """A fresh optimiser of a network's parameters; biases and normalisation are spared the decay if so chosen."""
    spared = {spec.name for spec in architecture.tensors if spec.role in _SPARED}
    decayed: list[Tensor] = []
    undecayed: list[Tensor] = []
    for name, parameter in model.named_parameters():
        (undecayed if recipe.decay == "weights" and name in spared else decayed).append(parameter)
    return optimizer_over(recipe, decayed, undecayed)


def optimizer_over(recipe: Recipe, decayed: Sequence[Tensor], undecayed: Sequence[Tensor]) -> Optimizer:
    """A fresh optimiser, fused: one pass over a parameter, its gradient and its slots per step.

    Adam is that of Kingma and Ba (2015), its weight decay an L2 penalty like SGD's.
    """
    groups: list[dict[str, Any]] = [{"params": decayed}]
    if undecayed:
        groups.append({"params": undecayed, "weight_decay": 0.0})
    match recipe.optimizer:
        case "sgd":
            return SGD(
                groups,
                lr=recipe.lr,
                momentum=recipe.momentum,
                nesterov=recipe.nesterov,
                weight_decay=recipe.weight_decay,
                fused=True,
            )
        case "adam":
            return Adam(
                groups,
                lr=recipe.lr,
                betas=(0.9, 0.999),
                eps=1e-8,
                weight_decay=recipe.weight_decay,
                fused=True,
            )


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """The learning rate of the next step, for every parameter."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def forget(optimizer: Optimizer, parameter: Tensor, entries: Tensor) -> None:
    """What it remembers of these entries of a parameter, a boolean tensor of its shape, becomes 0."""
    for value in optimizer.state.get(parameter, {}).values():
        if value.shape == entries.shape:
            value.masked_fill_(entries, 0.0)


def slots_of(optimizer: Optimizer, model: nn.Module) -> Slots:
    """A copy of what it remembers; nothing before the first step, or of SGD without momentum."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, parameter in model.named_parameters():
        for slot, value in optimizer.state.get(parameter, {}).items():
            found.setdefault(slot, {})[name] = value.cpu().numpy().copy()
    return found


def restore(optimizer: Optimizer, model: nn.Module, slots: Slots) -> None:
    """Give a fresh optimiser the memory that `slots_of` copied: it goes on with the same bits."""
    parameters = dict(model.named_parameters())
    for slot, arrays in slots.items():
        for name, array in arrays.items():
            parameter = parameters[name]
            # Layouts must agree with the parameter's; Adam's count of steps is a scalar, whatever the parameter.
            like = parameter if array.shape == parameter.shape else parameter.new_empty(array.shape)
            optimizer.state[parameter][slot] = torch.empty_like(like, requires_grad=False).copy_(
                torch.tensor(array)
            )
