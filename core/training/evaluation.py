"""Accuracy and loss of a network on a set of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
    model: nn.Module, images: Tensor, labels: Tensor, normalise: Callable[[Tensor], Tensor]
) -> Evaluation:
    """Evaluate in evaluation mode; the network is left in the mode it was in.

    images: uint8 [N, C, H, W] and labels: int64 [N], on the network's device; `normalise` makes its input of
    them. Counts are exact and the loss is summed in float64, on the device: one synchronisation in all.
    """
    training = model.training
    model.eval()
    correct = torch.zeros((), dtype=torch.int64, device=labels.device)
    loss = torch.zeros((), dtype=torch.float64, device=labels.device)
    for start in range(0, len(labels), BATCH):
        batch = slice(start, start + BATCH)
        logits = model(normalise(images[batch]))
        correct += (logits.argmax(1) == labels[batch]).sum()
        loss += F.cross_entropy(logits, labels[batch], reduction="sum")
    model.train(training)
    return Evaluation(int(correct), len(labels), float(loss) / len(labels))
