"""SNIP: the weights whose removal would change the loss most survive (Lee et al., 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.pruning.gradients import loss, mask_weights, products, weights_of
from core.pruning.rounds import narrowed, schedule
from core.pruning.select import Choose
from core.pruning.selection import Masks


def sensitivity(
    model: nn.Module, names: Sequence[str], images: Tensor, labels: Tensor
) -> dict[str, NDArray[np.floating[Any]]]:
    """Connection sensitivity |w ⊙ ∂L/∂w| = |∂L/∂c| at c = 1 (equation 5, not normalised).

    L is the cross-entropy of the batch, at the model's weights and in its mode (train: the batch's own statistics).
    In the model's precision, float32 as a rule. The model is left as it was.
    """
    weights = weights_of(model, names)
    gradients = torch.autograd.grad(loss(model, images, labels), weights)
    return {name: np.abs(product) for name, product in products(names, weights, gradients).items()}


def snip(
    model: nn.Module,
    names: Sequence[str],
    images: Tensor,
    labels: Tensor,
    survivors: int,
    rounds: int,
    choose: Choose,
) -> Masks:
    """Masks of the highest sensitivity (Lee et al., 2019, algorithm 1), in one round or in several.

    Iterative SNIP (Verdenius et al., 2020; de Jorge et al., 2021): in every round the network that is left is scored
    again, and only its survivors may survive. The model's weights are pruned on the way.
    """
    weights = weights_of(model, names)
    masks = {name: np.ones(weight.shape, np.bool_) for name, weight in zip(names, weights, strict=True)}
    for kept in schedule(sum(mask.size for mask in masks.values()), survivors, rounds):
        scores = sensitivity(model, names, images, labels)
        masks = narrowed(choose, scores, masks, kept, survivors)
        mask_weights(names, weights, weights, masks)
    return masks
