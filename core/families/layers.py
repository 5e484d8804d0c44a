"""The tensors of the common layers, in the order of a torch state dict."""

from __future__ import annotations

from collections.abc import Iterable

from core.elastic.anatomy import Entry
from core.families.architecture import Role, TensorSpec


def linear(name: str, inputs: int, outputs: int) -> tuple[TensorSpec, ...]:
    """A linear layer with bias."""
    return (
        TensorSpec(f"{name}.weight", (outputs, inputs), Role.WEIGHT),
        TensorSpec(f"{name}.bias", (outputs,), Role.BIAS),
    )


def convolution(name: str, inputs: int, outputs: int, kernel: int) -> tuple[TensorSpec, ...]:
    """A square convolution without bias, as before a batch normalisation."""
    return (TensorSpec(f"{name}.weight", (outputs, inputs, kernel, kernel), Role.WEIGHT),)


def batch_norm(name: str, channels: int) -> tuple[TensorSpec, ...]:
    """A batch normalisation: affine parameters, running statistics and its counter."""
    return (
        TensorSpec(f"{name}.weight", (channels,), Role.SCALE),
        TensorSpec(f"{name}.bias", (channels,), Role.SHIFT),
        TensorSpec(f"{name}.running_mean", (channels,), Role.MEAN),
        TensorSpec(f"{name}.running_var", (channels,), Role.VARIANCE),
        TensorSpec(f"{name}.num_batches_tracked", (), Role.COUNT),
    )


def entry(prefix: str, tensors: Iterable[TensorSpec], *, fixed: bool) -> Entry:
    """The stage entry of the module `prefix`, whose local names are what follows the prefix."""
    return Entry({spec.name.removeprefix(f"{prefix}."): spec.name for spec in tensors}, fixed)
