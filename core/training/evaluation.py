"""Accuracy and loss of networks on a set of images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from core.datasets import Batch


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
def evaluate(logits_of: Callable[[Tensor], Tensor], batches: Iterable[Batch]) -> list[Evaluation]:
    """Evaluate R networks on all images of `batches`; `logits_of` [B, C, H, W] are their logits, [R, B, classes].

    Counts are exact and losses are summed in float64, on the device: one synchronisation in all.
    """
    correct: Tensor | int = 0
    loss: Tensor | float = 0.0
    count = 0
    for images, labels in batches:
        logits = logits_of(images)
        right = labels.expand(len(logits), -1)
        correct = correct + (logits.argmax(2) == right).sum(1)
        entropies = F.cross_entropy(logits.transpose(1, 2), right, reduction="none")
        loss = loss + entropies.sum(1).double()
        count += len(labels)
    assert isinstance(correct, Tensor)
    assert isinstance(loss, Tensor)
    pairs = zip(correct.tolist(), loss.tolist(), strict=True)
    return [Evaluation(found, count, total / count) for found, total in pairs]
