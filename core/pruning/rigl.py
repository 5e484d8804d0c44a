"""RigL: drop the smallest weights, grow where the dense gradient is largest (Evci et al., 2020, algorithm 1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def share(step: int, span: int, alpha: float) -> float:
    """The share of a layer's weights that an update at `step` replaces, `span` steps after which there is none left.

    f(t) = α/2 · (1 + cos(π · min(t, D) / D)) (section 3, "update schedule"), in double precision.
    """
    progress = min(step, span) / span if span > 0 else 1.0
    return alpha / 2 * (1 + math.cos(math.pi * progress))


def updated(weight: Tensor, mask: Tensor, growth: Tensor, share: float) -> Tensor:
    """One layer's mask after an update, boolean and of the weight's shape, with as many survivors as `mask` has.

    Of the n survivors k = ⌊share · n⌋ are dropped, those of the smallest |w|; then the k of the largest `growth` ≥ 0
    among all that were not kept, a just dropped one included (section 3, "drop" and "grow criterion"). Of equals the
    lower flat index, row by row, is dropped and is not grown. The authors add noise to |w| instead, and count in single
    precision.
    """
    survivors = int(mask.sum())
    replaced = math.trunc(share * survivors)
    kept = _largest(weight.abs().masked_fill(~mask, -1), survivors - replaced)
    return kept | _largest(growth.masked_fill(kept, -1), replaced)


def _largest(scores: Tensor, count: int) -> Tensor:
    """Which are the `count` largest, the later first among equals."""
    order = scores.flatten().argsort(stable=True)
    largest = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    largest[order[scores.numel() - count :]] = True
    return largest.view(scores.shape)
