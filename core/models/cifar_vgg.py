"""The VGG networks `cifar_vgg_D[_W][_fcK]`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from core.families import cifar_vgg
from core.families.architecture import Architecture


class Layer(nn.Module):
    """A 3×3 convolution with bias, BN and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, H, W]."""
        return F.relu(self.bn(self.conv(x)))


class CifarVgg(nn.Module):
    """Conv layers with max-pools between the stages, a 2×2 average pool, linear layers; logits [B, classes]."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        plan = cifar_vgg.parse(architecture.name)
        assert plan is not None
        self.layers = nn.Sequential()
        channels = architecture.input[0]
        for stage in plan.stages:
            if len(self.layers) > 0:
                self.layers.append(nn.MaxPool2d(2))
            for i in stage:
                self.layers.append(Layer(channels, plan.channels[i]))
                channels = plan.channels[i]
        self.classifier = nn.Sequential()
        for _ in range(plan.fc - 1):
            self.classifier.append(nn.Linear(channels, channels))
            self.classifier.append(nn.ReLU())
        self.fc = nn.Linear(channels, architecture.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of [B, C, 32, 32]."""
        x = F.avg_pool2d(self.layers(images), 2).flatten(1)
        logits: Tensor = self.fc(self.classifier(x))
        return logits
