"""FORCE: foresight connection sensitivity, in rounds that may bring a pruned weight back (de Jorge et al., 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from core.pruning.gradients import loss, mask_weights, products, weights_of
from core.pruning.rounds import schedule
from core.pruning.select import Choose
from core.pruning.selection import Masks


def force(
    model: nn.Module,
    names: Sequence[str],
    images: Tensor,
    labels: Tensor,
    survivors: int,
    rounds: int,
    choose: Choose,
) -> Masks:
    """Masks of the highest |w ⊙ ∂L/∂(w ⊙ m)| after so many rounds (algorithm 1).

    In every round the network under the mask so far is differentiated, and all weights are scored, also pruned ones;
    survivors fall exponentially. L is the cross-entropy of the batch, in the model's mode. The model's weights are
    masked on the way.
    """
    parameters = weights_of(model, names)
    weights = [parameter.detach().clone() for parameter in parameters]
    masks: Masks = {}
    for kept in schedule(sum(weight.numel() for weight in weights), survivors, rounds):
        gradients = torch.autograd.grad(loss(model, images, labels), parameters)
        scores = {name: np.abs(product) for name, product in products(names, weights, gradients).items()}
        masks = choose(scores, kept)
        mask_weights(names, parameters, weights, masks)
    return masks
