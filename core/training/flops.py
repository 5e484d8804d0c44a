"""Floating-point operations of a network, counted from the shapes that its layers see."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.families import operations
from core.families.architecture import Architecture
from core.families.operations import BACKWARD
from core.models import build
from core.training.checkpoint import Arrays


def forward_flops(architecture: Architecture) -> Mapping[str, int]:
    """By weight tensor, the operations of one image's forward pass: 2 for each multiplication with an addition.

    Convolutions and linear layers only, as the literature counts; nothing is computed to find them.
    """
    known = operations.forward_flops(architecture)
    return forward_flops_seen(architecture) if known is None else known


def forward_flops_seen(architecture: Architecture) -> Mapping[str, int]:
    """The same of any network, by a pass without data, which takes as long as a small training."""
    with torch.device("meta"):
        model = build(architecture).to("meta").eval()
    found: dict[str, int] = {}

    def count(name: str) -> Any:
        def hook(module: nn.Module, _: Any, output: Tensor) -> None:
            assert isinstance(module.weight, Tensor)
            # Every output is the sum of as many products as one filter, or one row, has weights.
            found[f"{name}.weight"] = 2 * prod(output.shape) * prod(module.weight.shape[1:])

        return hook

    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count(name))
    with torch.no_grad():
        model(torch.empty(1, *architecture.input, device="meta"))
    return found


def training_flops(architecture: Architecture, masks: Arrays) -> tuple[int, int]:
    """Operations per image of a forward and a backward pass: of the dense network, and of the masked weights alone."""
    dense = sparse = 0.0
    for name, flops in forward_flops(architecture).items():
        mask = masks.get(name)
        dense += flops
        sparse += flops if mask is None else flops * float(np.mean(mask))
    return round((1 + BACKWARD) * dense), round((1 + BACKWARD) * sparse)
