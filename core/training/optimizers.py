"""The optimiser of a recipe, and what it remembers of every parameter from one step to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import SGD, Adam, Optimizer

from core.families.architecture import Architecture, Role
from core.jobs.recipes import Recipe

Slots = Mapping[str, Mapping[str, np.ndarray]]
"""An optimiser's memory: by torch's name of the slot (`momentum_buffer`, `exp_avg`, …), then by parameter."""

_SPARED = frozenset({Role.BIAS, Role.SCALE, Role.SHIFT})


def optimizer_of(recipe: Recipe, architecture: Architecture, model: nn.Module) -> Optimizer:
    """A fresh optimiser, fused: one pass over a parameter, its gradient and its slots per step.

    Adam is that of Kingma and Ba (2015), its weight decay an L2 penalty like SGD's.
    """
    spared = {spec.name for spec in architecture.tensors if spec.role in _SPARED}
    decayed: list[nn.Parameter] = []
    undecayed: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (undecayed if recipe.decay == "weights" and name in spared else decayed).append(parameter)
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": undecayed, "weight_decay": 0.0}]
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
        group["lr"] = rate


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
