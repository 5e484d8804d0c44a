"""The tensors of the common layers, in the order of a torch state dict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from core.elastic.anatomy import Entry
from core.families.architecture import Role, TensorSpec


class Group(NamedTuple):
    """Channels that are wired together: their name in `TensorSpec.axes`, and how many they are."""

    name: str
    size: int


def unscaled(size: int) -> Group:
    """Channels that do not follow the width: those of an image, or the classes."""
    return Group("", size)


def linear(name: str, inputs: Group, outputs: Group) -> tuple[TensorSpec, ...]:
    """A linear layer with bias."""
    return (
        TensorSpec(f"{name}.weight", (outputs.size, inputs.size), Role.WEIGHT, (outputs.name, inputs.name)),
        _bias(name, outputs),
    )


def convolution(
    name: str, inputs: Group, outputs: Group, kernel: int, *, bias: bool = False
) -> tuple[TensorSpec, ...]:
    """A square convolution, by default without bias, as before a batch normalisation."""
    shape = (outputs.size, inputs.size, kernel, kernel)
    weight = TensorSpec(f"{name}.weight", shape, Role.WEIGHT, (outputs.name, inputs.name, "", ""))
    return (weight, _bias(name, outputs)) if bias else (weight,)


def depthwise(name: str, channels: Group, kernel: int) -> tuple[TensorSpec, ...]:
    """A square convolution of each channel with itself, without bias; torch stores it as [channels, 1, k, k]."""
    shape = (channels.size, 1, kernel, kernel)
    return (TensorSpec(f"{name}.weight", shape, Role.WEIGHT, (channels.name, "", "", "")),)


def batch_norm(name: str, channels: Group) -> tuple[TensorSpec, ...]:
    """A batch normalisation: affine parameters, running statistics and its counter."""
    shape, axes = (channels.size,), (channels.name,)
    return (
        TensorSpec(f"{name}.weight", shape, Role.SCALE, axes),
        TensorSpec(f"{name}.bias", shape, Role.SHIFT, axes),
        TensorSpec(f"{name}.running_mean", shape, Role.MEAN, axes),
        TensorSpec(f"{name}.running_var", shape, Role.VARIANCE, axes),
        TensorSpec(f"{name}.num_batches_tracked", (), Role.COUNT),
    )


def entry(prefix: str, tensors: Iterable[TensorSpec], *, fixed: bool) -> Entry:
    """The stage entry of the module `prefix`, whose local names are what follows the prefix."""
    return Entry({spec.name.removeprefix(f"{prefix}."): spec.name for spec in tensors}, fixed)


def names(tensors: Iterable[TensorSpec]) -> tuple[str, ...]:
    """Their names, in order."""
    return tuple(spec.name for spec in tensors)


def _bias(name: str, outputs: Group) -> TensorSpec:
    return TensorSpec(f"{name}.bias", (outputs.size,), Role.BIAS, (outputs.name,))
