"""Gradients of a network under a mask, without a trace: nothing accumulates, no running statistic moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call


def weights_of(model: nn.Module, names: Sequence[str]) -> list[nn.Parameter]:
    """The parameters of these names, in their order."""
    parameters = dict(model.named_parameters())
    return [parameters[name] for name in names]


def loss(model: nn.Module, images: Tensor, labels: Tensor, temperature: float = 1) -> Tensor:
    """Mean cross-entropy of logits / temperature, in the model's own mode; batch normalisation counts on copies."""
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    return F.cross_entropy(functional_call(model, buffers, (images,)) / temperature, labels)


def products(
    names: Sequence[str], weights: Sequence[Tensor], gradients: Sequence[Tensor]
) -> dict[str, NDArray[np.floating[Any]]]:
    """w ⊙ g of every tensor, in the network's own precision."""
    with torch.no_grad():
        return {
            name: (weight * gradient).cpu().numpy()
            for name, weight, gradient in zip(names, weights, gradients, strict=True)
        }


@torch.no_grad()
def mask_weights(
    names: Sequence[str],
    parameters: Sequence[nn.Parameter],
    weights: Sequence[Tensor],
    masks: Mapping[str, NDArray[np.bool_]],
) -> None:
    """Set every parameter to w ⊙ m, in place."""
    for name, parameter, weight in zip(names, parameters, weights, strict=True):
        parameter.copy_(weight * torch.tensor(masks[name], device=weight.device))
