"""SynFlow: data-free pruning that conserves synaptic flow (Tanaka et al., 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.pruning.gradients import mask_weights, products, weights_of
from core.pruning.rounds import narrowed, schedule
from core.pruning.select import Choose
from core.pruning.selection import Masks, refuse_not_finite


def synflow(
    model: nn.Module,
    names: Sequence[str],
    input: tuple[int, int, int],  # noqa: A002 - the word for [C, H, W] everywhere
    survivors: int,
    rounds: int,
    choose: Choose,
) -> Masks:
    """Masks of the highest synaptic saliency, in rounds that leave ρ^(e / rounds) after the e-th (algorithm 1).

    Every parameter and statistic is replaced by its absolute value, in float64: on deep networks the flow is beyond
    float32. Only survivors of a round may survive the next. The model is changed: precision, mode, signs, and its
    weights are pruned on the way. Raises `ValueError` where a score is not finite all the same.
    """
    model.double().eval()
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.abs_()
    weights = weights_of(model, names)
    masks = {name: np.ones(weight.shape, np.bool_) for name, weight in zip(names, weights, strict=True)}
    for kept in schedule(sum(mask.size for mask in masks.values()), survivors, rounds):
        masks = narrowed(choose, saliency(model, names, input), masks, kept, survivors)
        mask_weights(names, weights, weights, masks)
    return masks


def saliency(
    model: nn.Module,
    names: Sequence[str],
    input: tuple[int, int, int],  # noqa: A002
) -> dict[str, NDArray[np.floating[Any]]]:
    """|w ⊙ ∂R/∂w|, R the sum of the logits of one all-ones image (section 4), in the model's mode and precision.

    Raises `ValueError` where one is not finite.
    """
    weights = weights_of(model, names)
    flow = model(weights[0].new_ones(1, *input)).sum()
    scores = products(names, weights, torch.autograd.grad(flow, weights))
    scores = {name: np.abs(score) for name, score in scores.items()}
    refuse_not_finite(scores)
    return scores
