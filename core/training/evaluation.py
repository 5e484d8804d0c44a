"""Accuracy and loss of networks on a set of images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from core.datasets import Batch
from core.training.ranks import ALONE, Ranks


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
    logits_of: Callable[[Tensor], Tensor], batches: Iterable[Batch], ranks: Ranks = ALONE
) -> list[Evaluation]:
    """Evaluate R networks on all images of `batches`; `logits_of` [B, C, H, W] are their logits, [R, B, classes].

    Counts are exact and losses are summed in float64, on the device: one synchronisation in all. Each of several ranks
    measures its share of every batch, and all get the result.
    """
    sums: Tensor | float = 0.0
    count = 0
    for images, labels in batches:
        count += len(labels)
        mine = ranks.share(len(labels))
        if mine.start == mine.stop:
            continue
        logits = logits_of(images[mine])
        classes = labels[mine].expand(len(logits), -1)
        correct = (logits.argmax(2) == classes).sum(1)
        entropies = F.cross_entropy(logits.transpose(1, 2), classes, reduction="none").sum(1)
        sums = sums + torch.stack([correct.double(), entropies.double()])
    assert isinstance(sums, Tensor)
    pairs = zip(*ranks.sum_(sums).tolist(), strict=True)
    return [Evaluation(int(correct), count, loss / count) for correct, loss in pairs]
