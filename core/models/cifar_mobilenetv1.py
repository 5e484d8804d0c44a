"""The networks of depthwise separable convolutions `cifar_mobilenetv1_N`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from core.families import cifar_mobilenetv1
from core.families.architecture import Architecture


class Block(nn.Module):
    """A 3×3 convolution of each channel with itself, then 1×1 across them, both with BN and ReLU."""

    def __init__(self, plan: cifar_mobilenetv1.Block) -> None:
        super().__init__()
        inputs = plan.inputs
        self.conv1 = nn.Conv2d(inputs, inputs, 3, plan.stride, padding=1, groups=inputs, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv2 = nn.Conv2d(inputs, plan.outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(plan.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, ⌈H / stride⌉, ⌈W / stride⌉]."""
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class CifarMobileNetV1(nn.Module):
    """Stem, three parts of blocks, global average pool, linear head; logits [B, classes]."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        plan = cifar_mobilenetv1.parse(architecture.name)
        assert plan is not None
        self.conv = nn.Conv2d(architecture.input[0], cifar_mobilenetv1.STEM, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(cifar_mobilenetv1.STEM)
        part1, part2, part3 = (nn.Sequential(*map(Block, blocks)) for blocks in plan.parts.values())
        self.layers_part1, self.layers_part2, self.layers_part3 = part1, part2, part3
        self.fc = nn.Linear(plan.parts["layers_part3"][-1].outputs, architecture.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of [B, C, H, W]."""
        x = F.relu(self.bn(self.conv(images)))
        x = self.layers_part3(self.layers_part2(self.layers_part1(x)))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits
