"""Networks of every family, with no statistic at its initial value."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from core.families import architecture
from core.families.architecture import Architecture, Role
from core.families.initialisation import initialise

NORMALISED = {
    "cifar_resnet_8_4": (3, 8, 8),
    "cifar_resnet_14_2": (1, 8, 8),
    "cifar_vgg_11_4": (3, 32, 32),
    "cifar_vgg_11_2_fc3": (3, 32, 32),
    "imagenet_resnet_18_4": (3, 40, 40),
    "imagenet_resnet_50_2": (3, 40, 40),
    "cifarhe_resnet_18_4": (3, 8, 8),
    "cifar_mobilenetv1_1": (1, 8, 8),
}
UNNORMALISED = {"mlp_2_12_8": (1, 3, 4), "lenet5": (1, 12, 12)}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _drawn(network: Architecture, seed: int) -> dict[str, np.ndarray]:
    arrays, rng = initialise(network, seed), np.random.default_rng(seed)
    for spec in network.tensors:
        if spec.role in (Role.SHIFT, Role.MEAN, Role.BIAS):
            arrays[spec.name] = rng.normal(scale=0.3, size=spec.shape).astype(np.float32)
        elif spec.role is Role.SCALE:
            arrays[spec.name] = (rng.uniform(0.5, 1.5, spec.shape) * rng.choice([-1, 1], spec.shape)).astype(
                np.float32
            )
        elif spec.role is Role.VARIANCE:
            arrays[spec.name] = rng.uniform(0.5, 1.5, spec.shape).astype(np.float32)
    return arrays


@pytest.fixture(scope="session")
def drawn() -> Callable[[Architecture, int], dict[str, np.ndarray]]:
    """Draws a whole state dict."""
    return _drawn


@pytest.fixture(scope="session", params=NORMALISED)
def normalised(request: pytest.FixtureRequest) -> Architecture:
    """A small member of each family with batch normalisation, and of each form of it."""
    return architecture(request.param, NORMALISED[request.param], 5)


@pytest.fixture(scope="session", params=UNNORMALISED)
def unnormalised(request: pytest.FixtureRequest) -> Architecture:
    """A small member of each family without."""
    return architecture(request.param, UNNORMALISED[request.param], 5)
