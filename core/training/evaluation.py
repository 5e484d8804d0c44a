"""Accuracy and loss of a network on a set of images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
def evaluate(model: nn.Module, batches: Iterable[Batch]) -> Evaluation:
    """Evaluate in evaluation mode on all images of `batches`; the network is left in the mode it was in.

    Counts are exact and the loss is summed in float64, on the device: one synchronisation in all.
    """
    training = model.training
    model.eval()
    correct: Tensor | int = 0
    loss: Tensor | float = 0.0
    total = 0
    for images, labels in batches:
        logits = model(images)
        correct = correct + (logits.argmax(1) == labels).sum()
        loss = loss + F.cross_entropy(logits, labels, reduction="sum").double()
        total += len(labels)
    model.train(training)
    return Evaluation(int(correct), total, float(loss) / total)
