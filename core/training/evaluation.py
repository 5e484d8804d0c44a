"""Accuracy and loss of networks on a set of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from core.training.ranks import ALONE, Ranks

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
    ranks: Ranks = ALONE,
) -> list[Evaluation]:
    """Evaluate R networks: `logits_of` [B, C, H, W] are their logits in evaluation mode, [R, B, classes].

    images: uint8 [N, C, H, W] and labels: int64 [N], on the networks' device; `normalise` makes their input of
    them. Counts are exact and losses are summed in float64, on the device: one synchronisation in all. Each of several
    ranks measures its share of the images, and all get the result.
    """
    sums: Tensor | float = 0.0
    for start in range(0, len(labels), BATCH):
        batch, right = images[start : start + BATCH], labels[start : start + BATCH]
        mine = ranks.share(len(right))
        if mine.start == mine.stop:
            continue
        logits = logits_of(normalise(batch[mine]))
        classes = right[mine].expand(len(logits), -1)
        correct = (logits.argmax(2) == classes).sum(1)
        entropies = F.cross_entropy(logits.transpose(1, 2), classes, reduction="none").sum(1)
        sums = sums + torch.stack([correct.double(), entropies.double()])
    assert isinstance(sums, Tensor)
    pairs = zip(*ranks.sum_(sums).tolist(), strict=True)
    return [Evaluation(int(correct), len(labels), loss / len(labels)) for correct, loss in pairs]
