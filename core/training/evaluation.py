"""Accuracy and loss of networks on a set of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

BATCH = 1000


@dataclass(frozen=True)
class Evaluation:
    """Correctly classified images, all images, and the mean cross-entropy."""

    correct: int
    total: int
    loss: float

    @property
    def accuracy(self) -> float:
        """correct / total."""
        return self.correct / self.total


@torch.no_grad()
def evaluate(
    logits_of: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    normalise: Callable[[Tensor], Tensor],
) -> list[Evaluation]:
    """Evaluate R networks: `logits_of` [B, C, H, W] are their logits in evaluation mode, [R, B, classes].

    images: uint8 [N, C, H, W] and labels: int64 [N], on the networks' device; `normalise` makes their input of
    them. Counts are exact and losses are summed in float64, on the device: one synchronisation in all.
    """
    correct: Tensor | int = 0
    loss: Tensor | float = 0.0
    for start in range(0, len(labels), BATCH):
        chosen = slice(start, start + BATCH)
        logits = logits_of(normalise(images[chosen]))
        right = labels[chosen].expand(len(logits), -1)
        correct = correct + (logits.argmax(2) == right).sum(1)
        entropies = F.cross_entropy(logits.transpose(1, 2), right, reduction="none")
        loss = loss + entropies.sum(1).double()
    assert isinstance(correct, Tensor)
    assert isinstance(loss, Tensor)
    pairs = zip(correct.tolist(), loss.tolist(), strict=True)
    return [Evaluation(found, len(labels), total / len(labels)) for found, total in pairs]
