from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core.families import architecture
from core.families.architecture import Role
from core.families.initialisation import initialise
from core.models import build
from core.models.state import load_state


class Formula:
    """The layers as formulas on a state dict, for networks written out by hand."""

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self.tensors = tensors

    def conv(self, x: torch.Tensor, name: str, stride: int = 1, groups: int = 1, padding: int | None = None):
        """A convolution, by default padded so that stride 1 keeps the size."""
        weight, bias = self.tensors[f"{name}.weight"], self.tensors.get(f"{name}.bias")
        padding = weight.shape[-1] // 2 if padding is None else padding
        return F.conv2d(x, weight, bias, stride=stride, padding=padding, groups=groups)

    def norm(self, x: torch.Tensor, name: str):
        """Batch normalisation with the running statistics."""
        mean, var, scale, shift = (
            self.tensors[f"{name}.{local}"][None, :, None, None]
            for local in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    def linear(self, x: torch.Tensor, name: str):
        """A linear layer."""
        return x @ self.tensors[f"{name}.weight"].T + self.tensors[f"{name}.bias"]


def _loaded(name: str, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
    network = architecture(name, shape, classes)
    arrays, rng = initialise(network, 0), np.random.default_rng(0)
    for spec in network.tensors:
        if spec.role in (Role.SHIFT, Role.MEAN):
            arrays[spec.name] += rng.normal(scale=0.2, size=spec.shape).astype(np.float32)
        elif spec.role in (Role.SCALE, Role.VARIANCE):
            arrays[spec.name] = rng.uniform(0.5, 1.5, spec.shape).astype(np.float32)
    model = build(network).eval()
    load_state(model, arrays)
    return model.double()


@pytest.fixture(scope="session")
def loaded() -> Callable[[str, tuple[int, int, int], int], torch.nn.Module]:
    """Builds a network in float64 and evaluation mode, with no statistic at its initial value."""
    return _loaded


@pytest.fixture(scope="session")
def formula() -> type[Formula]:
    """The layers as formulas."""
    return Formula


@pytest.fixture(scope="session")
def images() -> Callable[..., torch.Tensor]:
    """Draws normal float64 images of a shape [B, C, H, W]."""
    return lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
