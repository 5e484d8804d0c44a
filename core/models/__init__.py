"""The networks in torch, one file per family; their tensors are those that `core.families` lists."""

from collections.abc import Callable

from torch import nn

from core.families.architecture import Architecture
from core.families.definition import TIMM
from core.models import timm
from core.models.cifar_mobilenetv1 import CifarMobileNetV1
from core.models.cifar_resnet import CifarResNet
from core.models.cifar_vgg import CifarVgg
from core.models.lenet5 import LeNet5
from core.models.mlp import Mlp
from core.models.torchvision_resnet import TorchvisionResNet

_NETWORKS: dict[str, Callable[[Architecture], nn.Module]] = {
    "mlp": Mlp,
    "lenet5": LeNet5,
    "cifar_resnet": CifarResNet,
    "cifar_vgg": CifarVgg,
    "cifar_mobilenetv1": CifarMobileNetV1,
    "imagenet_resnet": TorchvisionResNet,
    "cifarhe_resnet": TorchvisionResNet,
}


class NoNetwork(ValueError):
    """An architecture that is known as data only: a posted one cannot be run here."""


def build(architecture: Architecture) -> nn.Module:
    """The network of an architecture, on the CPU, its values not yet meaningful: load a state into it.

    Raises `NoNetwork` for an architecture that is known as data only.
    """
    if architecture.name.startswith(TIMM):
        return timm.build(architecture)
    network = _NETWORKS.get(architecture.family)
    if network is None:
        raise NoNetwork(
            f"{architecture.name}: there is no network of the family {architecture.family!r} to run; "
            f"there are: {', '.join(_NETWORKS)}"
        )
    return network(architecture)
