"""A network whose layers have other sizes than its architecture says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from core.families.architecture import Architecture
from core.models import build


def build_resized(architecture: Architecture, arrays: Mapping[str, NDArray[Any]]) -> nn.Module:
    """The network of a built-in architecture around a state dict with its names and whatever sizes fit together."""
    model = build(architecture)
    for name, module in model.named_modules():
        prefix = f"{name}." if name else ""
        for local, _ in list(module.named_parameters(recurse=False)):
            setattr(module, local, nn.Parameter(torch.tensor(arrays[prefix + local])))
        for local, _ in list(module.named_buffers(recurse=False)):
            setattr(module, local, torch.tensor(arrays[prefix + local]))
        match module:
            case nn.Conv2d():
                outputs, inputs = module.weight.shape[:2]
                # More than one group: depthwise.
                module.groups = outputs if module.groups > 1 else 1
                module.out_channels, module.in_channels = outputs, inputs * module.groups
            case nn.Linear():
                module.out_features, module.in_features = module.weight.shape
            case nn.BatchNorm2d():
                (module.num_features,) = module.weight.shape
    return model
