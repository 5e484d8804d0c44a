"""The multilayer perceptrons `mlp_N`."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from core.families import mlp
from core.families.architecture import Architecture


class Mlp(nn.Module):
    """Flattens [B, C, H, W]; linear layers with ReLU between; logits [B, classes]."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        member = mlp.parse(architecture.name)
        assert member is not None
        widths = member.widths(architecture.input)
        self.fc_layers = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(widths))
        self.fc = nn.Linear(widths[-1], architecture.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        x = images.flatten(1)
        for layer in self.fc_layers:
            x = F.relu(layer(x))
        logits: Tensor = self.fc(x)
        return logits
