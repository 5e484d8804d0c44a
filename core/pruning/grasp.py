"""GraSP: the weights go whose removal leaves the gradient flowing best (Wang et al., 2020)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.pruning.gradients import loss, products, weights_of
from core.pruning.select import Choose
from core.pruning.selection import Masks

TEMPERATURE = 200
"""Logits are divided by it, as the authors do."""

Batch = tuple[Tensor, Tensor]


def grasp(
    model: nn.Module, names: Sequence[str], halves: Sequence[Batch], survivors: int, choose: Choose
) -> Masks:
    """Masks without the weights of the largest signed score (algorithm 1). The model is put into train mode."""
    return choose({name: -score for name, score in scores(model, names, halves).items()}, survivors)


def scores(
    model: nn.Module, names: Sequence[str], halves: Sequence[Batch]
) -> dict[str, NDArray[np.floating[Any]]]:
    """S(−w) = −w ⊙ Hg over |Σ S| + 1e-10, float64: the largest go. Their sign is what they say.

    Cross-entropy of logits / 200 in train mode, gradients and Hessian with respect to the tensors `names`. g is the
    sum of the halves' gradients, and Hg that of the halves' products: ∇(gᵀ∇L) with g held fixed.
    """
    model.train()
    weights = weights_of(model, names)
    g = [torch.zeros_like(weight) for weight in weights]
    for images, labels in halves:
        gradients = torch.autograd.grad(loss(model, images, labels, TEMPERATURE), weights)
        g = [total + gradient for total, gradient in zip(g, gradients, strict=True)]
    hg = [torch.zeros_like(weight) for weight in weights]
    for images, labels in halves:
        gradients = torch.autograd.grad(loss(model, images, labels, TEMPERATURE), weights, create_graph=True)
        curvatures = torch.autograd.grad(gradients, weights, grad_outputs=g)
        hg = [total + curvature for total, curvature in zip(hg, curvatures, strict=True)]
    effects = {name: -product.astype(np.float64) for name, product in products(names, weights, hg).items()}
    norm = abs(sum(float(effect.sum()) for effect in effects.values())) + 1e-10
    return {name: effect / norm for name, effect in effects.items()}


def balanced_halves(batches: Iterable[Batch], classes: int, per_class: int) -> tuple[Batch, Batch]:
    """The first `per_class` images of each class, in two halves that hold as many of every class.

    Of every class the first ⌈per_class / 2⌉ go into the first half; inside a half they stay in order of appearance.
    No more batches are read than needed. Raises `ValueError` where they run out, naming the scarcest class,
    and for fewer than 2 per class.
    """
    if per_class < 2:
        raise ValueError(f"{per_class} images per class make no two halves: at least 2 are needed")
    taken = [0] * classes
    parts: tuple[list[Batch], list[Batch]] = ([], [])
    for images, labels in batches:
        chosen: tuple[list[int], list[int]] = ([], [])
        for position, label in enumerate(labels.tolist()):
            if taken[label] < per_class:
                chosen[taken[label] >= (per_class + 1) // 2].append(position)
                taken[label] += 1
        for part, positions in zip(parts, chosen, strict=True):
            part.append((images[positions], labels[positions]))
        if min(taken) == per_class:
            return _joined(parts[0]), _joined(parts[1])
    scarcest = min(range(classes), key=taken.__getitem__)
    raise ValueError(f"{per_class} images of each class are needed; class {scarcest} has {taken[scarcest]}")


def _joined(batches: Sequence[Batch]) -> Batch:
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)
