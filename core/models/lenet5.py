"""The convolutional network `lenet5`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from core.families.architecture import Architecture
from core.families.lenet5 import SIDE


class LeNet5(nn.Module):
    """Convolutions without bias, tanh after each but the last, 2×2 average pools; logits [B, classes]."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        channels, height, width = architecture.input
        rows, columns = SIDE - height, SIDE - width
        # What is left of an odd number goes to the right and to the bottom.
        self.padding = [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2]
        self.conv1 = nn.Conv2d(channels, 6, 5, bias=False)
        self.conv2 = nn.Conv2d(6, 16, 5, bias=False)
        self.conv3 = nn.Conv2d(16, 120, 5, bias=False)
        self.fc1 = nn.Conv2d(120, 84, 1, bias=False)
        self.fc2 = nn.Conv2d(84, architecture.classes, 1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of [B, C, H, W]."""
        x = F.pad(images, self.padding)
        x = F.avg_pool2d(self.conv1(x).tanh(), 2)
        x = F.avg_pool2d(self.conv2(x).tanh(), 2)
        x = self.fc1(self.conv3(x).tanh()).tanh()
        logits: Tensor = self.fc2(x)
        return logits.flatten(1)
