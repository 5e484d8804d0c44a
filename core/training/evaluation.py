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
    ranks measures a share of the images, and all get the result.
    """
    total = len(labels)
    images, labels = images[ranks.share(total)], labels[ranks.share(total)]
    sums: Tensor | int = 0
    for batch, right in zip(images.split(BATCH), labels.split(BATCH), strict=True):
        logits = logits_of(normalise(batch))
        classes = right.expand(len(logits), -1)
        correct = (logits.argmax(2) == classes).sum(1)
        entropies = F.cross_entropy(logits.transpose(1, 2), classes, reduction="none")
        sums = sums + torch.stack([correct.double(), entropies.sum(1).double()])
    assert isinstance(sums, Tensor)
    pairs = zip(*ranks.sum_(sums).tolist(), strict=True)
    return [Evaluation(int(correct), total, loss / total) for correct, loss in pairs]
