"""The networks in torch, one file per family; their tensors are those that `core.families` lists."""

from torch import nn

from core.families.architecture import Architecture
from core.models.cifar_resnet import CifarResNet
from core.models.mlp import Mlp

_NETWORKS: dict[str, type[Mlp] | type[CifarResNet]] = {"mlp": Mlp, "cifar_resnet": CifarResNet}


def build(architecture: Architecture) -> nn.Module:
    """The network of an architecture, on the CPU, its values not yet meaningful: load a state into it."""
    return _NETWORKS[architecture.family](architecture)
