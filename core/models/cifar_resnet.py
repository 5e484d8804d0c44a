"""The residual networks `cifar_resnet_D[_W]`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from core.families import cifar_resnet
from core.families.architecture import Architecture


class Block(nn.Module):
    """Two 3×3 convolutions with BN, added to the shortcut before the last ReLU (He et al., 2016, eq. 2)."""

    def __init__(self, plan: cifar_resnet.Block) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(plan.inputs, plan.outputs, 3, plan.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(plan.outputs)
        self.conv2 = nn.Conv2d(plan.outputs, plan.outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(plan.outputs)
        self.shortcut = nn.Sequential()
        if plan.projects:
            self.shortcut.append(nn.Conv2d(plan.inputs, plan.outputs, 1, plan.stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(plan.outputs))

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, ⌈H / stride⌉, ⌈W / stride⌉]."""
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(residual + self.shortcut(x))


class CifarResNet(nn.Module):
    """Stem, three stages of blocks, global average pool, linear head; logits [B, classes]."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        plan = cifar_resnet.parse(architecture.name)
        assert plan is not None
        self.conv = nn.Conv2d(architecture.input[0], plan.width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(plan.width)
        self.blocks = nn.Sequential(*[Block(block) for block in plan.blocks])
        self.fc = nn.Linear(plan.blocks[-1].outputs, architecture.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of [B, C, H, W]."""
        x = self.blocks(F.relu(self.bn(self.conv(images))))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits
