"""The residual networks `imagenet_resnet_D[_W]` and `cifarhe_resnet_D[_W]`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from core.families import member, torchvision_resnet
from core.families.architecture import Architecture


class Block(nn.Module):
    """Two convolutions with BN, in a bottleneck three, added to the shortcut before the last ReLU."""

    def __init__(self, plan: torchvision_resnet.Block) -> None:
        super().__init__()
        first, second, *third = plan.convolutions
        self.conv1, self.bn1 = _normalised(first)
        self.conv2, self.bn2 = _normalised(second)
        self.bottleneck = bool(third)
        if self.bottleneck:
            self.conv3, self.bn3 = _normalised(*third)
        self.downsample = nn.Sequential()
        if plan.projects:
            self.downsample.append(nn.Conv2d(plan.inputs, plan.outputs, 1, plan.stride, bias=False))
            self.downsample.append(nn.BatchNorm2d(plan.outputs))

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, ⌈H / stride⌉, ⌈W / stride⌉]."""
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.bottleneck:
            residual = self.bn3(self.conv3(F.relu(residual)))
        return F.relu(residual + self.downsample(x))


class TorchvisionResNet(nn.Module):
    """Stem, four stages of blocks, global average pool, linear head; logits [B, classes]."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        plan = member(architecture.name)
        assert isinstance(plan, torchvision_resnet.TorchvisionResNet)
        kernel = plan.stem_kernel
        self.conv1 = nn.Conv2d(
            architecture.input[0], plan.width, kernel, plan.stem_stride, padding=kernel // 2, bias=False
        )
        self.bn1 = nn.BatchNorm2d(plan.width)
        self.pool = nn.MaxPool2d(3, 2, padding=1) if plan.pooled else nn.Identity()
        stages = (nn.Sequential(*map(Block, blocks)) for blocks in plan.stages.values())
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(plan.stages["layer4"][-1].outputs, architecture.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of [B, C, H, W]."""
        x = self.pool(F.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def _normalised(plan: torchvision_resnet.Convolution) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    inputs, outputs, kernel, stride = plan
    return (
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )
