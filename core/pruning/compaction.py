"""A ticket as a smaller dense network that computes the same: channels are left out that make no difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.elastic.width import gather, group_sizes
from core.families.architecture import Architecture, TensorSpec
from core.models import build
from core.models.resized import build_resized
from core.models.state import load_state
from core.pruning.channels import is_depthwise, writing, written_by

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
Channels: TypeAlias = dict[str, NDArray[np.bool_]]
"""By group, one truth value per channel."""


class Compacted(NamedTuple):
    """A smaller network with its state dict, and by group the channels of the larger one that it has."""

    network: nn.Module
    weights: dict[str, NDArray[Any]]
    channels: dict[str, NDArray[np.intp]]


def compact(architecture: Architecture, weights: Arrays, masks: Mapping[str, NDArray[np.bool_]]) -> Compacted:
    """The network, in evaluation mode, without the channels that make no difference to its outputs there.

    A channel is left out where every weight that reads it is pruned; or where every weight that writes it is, so that
    it is the same number at every pixel of every image, if that is 0 or can be added to what its readers write
    instead. The number is of these weights and statistics: outputs are equal now, not after other trainings of
    both. Every group keeps a channel at least. Masks without structure leave out nothing, or little.

    Raises `core.models.NoNetwork` for an architecture that is known as data only.
    """
    state = {n: np.where(masks[n], array, 0) if n in masks else array for n, array in weights.items()}
    readers = _readers(architecture, state)
    kept, constant = _kept(architecture, masks, readers)
    axes = {spec.name: spec.axes for spec in architecture.tensors}
    channels = {group: np.flatnonzero(mask) for group, mask in kept.items()}
    smaller = {
        name: np.asarray(gather(array, axes[name], channels), order="C")
        for name, array in {**state, **_folded(state, constant, readers)}.items()
    }
    return Compacted(build_resized(architecture, smaller).eval(), smaller, channels)


class _Reader(NamedTuple):
    """A weight that reads a group of channels.

    `seen`: what it reads of each at one pixel of one image, all there is to know of a constant. `shift`: the tensor
    that moves all its outputs alike, to which constants can be added, and with which sign; None where there is none,
    or where the zeros beyond an image's border are read as well.
    """

    spec: TensorSpec
    seen: NDArray[np.float64]
    shift: tuple[str, int] | None

    @property
    def group(self) -> str:
        return self.spec.axes[1]

    @property
    def foldable(self) -> NDArray[np.bool_]:
        """Which inputs could be left out if they were constant."""
        foldable: NDArray[np.bool_] = np.logical_or(self.seen == 0, self.shift is not None)
        return foldable


def _readers(architecture: Architecture, state: Arrays) -> list[_Reader]:
    model = build(architecture).eval()
    load_state(model, state)
    means = {
        weight: f"{scale.removesuffix('weight')}running_mean"
        for scale, weight in written_by(architecture).items()
    }
    seen: dict[str, NDArray[np.float64]] = {}
    shifts: dict[str, tuple[str, int] | None] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            weight, bias = f"{name}.weight", f"{name}.bias"
            padded = isinstance(module, nn.Conv2d) and any(module.padding)
            shift = (bias, 1) if bias in state else (means[weight], -1) if weight in means else None
            shifts[weight] = None if padded else shift

            def see(_: nn.Module, inputs: tuple[Tensor], weight: str = weight) -> None:
                (image,) = inputs[0]
                seen[weight] = image.reshape(len(image), -1)[:, 0].double().numpy()

            module.register_forward_pre_hook(see)
    with torch.no_grad():
        model(torch.zeros(1, *architecture.input))
    return [
        _Reader(spec, seen[spec.name], shifts[spec.name])
        for spec in architecture.prunable
        if any(spec.axes[1:])
    ]


def _kept(
    architecture: Architecture, masks: Mapping[str, NDArray[np.bool_]], readers: list[_Reader]
) -> tuple[Channels, Channels]:
    """The channels that stay, and those that go because they are constant: what goes may make others go."""
    shapes = {spec.name: spec.shape for spec in architecture.tensors}
    sizes = group_sizes(shapes, {spec.name: spec.axes for spec in architecture.tensors})
    connected: Channels = {n: np.any(mask.reshape(*mask.shape[:2], -1), axis=2) for n, mask in masks.items()}
    kept = {group: np.ones(size, np.bool_) for group, size in sizes.items()}
    constant = {group: np.zeros(size, np.bool_) for group, size in sizes.items()}

    def alive(group: str) -> NDArray[np.bool_] | slice:
        return kept[group] if group else slice(None)

    changed = True
    while changed:
        before = sum(int(mask.sum()) for mask in kept.values())
        for group, mask in kept.items():
            writers = list(writing(architecture, group))
            # A depthwise convolution writes anew: what was written before is of no account.
            writers = [spec for spec in writers if is_depthwise(architecture, spec)][-1:] or writers
            written, read, stuck = (np.zeros(mask.shape, np.bool_) for _ in range(3))
            for spec in writers:
                written |= connected[spec.name][:, alive(spec.axes[1])].any(1)
            for reader in readers:
                if reader.group == group:
                    reads = connected[reader.spec.name][alive(reader.spec.axes[0])].any(0)
                    read |= reads
                    stuck |= reads & ~reader.foldable
            constant[group] |= mask & ~written & ~stuck
            mask &= read & ~constant[group]
        changed = sum(int(mask.sum()) for mask in kept.values()) < before
    for mask in kept.values():
        mask[0] |= not mask.any()
    return kept, {group: mask & ~kept[group] for group, mask in constant.items()}


def _folded(state: Arrays, constant: Channels, readers: list[_Reader]) -> dict[str, NDArray[Any]]:
    """The tensors to which the constants that are left out were added."""
    folded = {}
    for weight, seen, shift in readers:
        gone = constant[weight.axes[1]]
        if shift is not None and gone.any():
            tensor, sign = shift
            sums = state[weight.name].reshape(*weight.shape[:2], -1).sum(2, dtype=np.float64)
            moved = state[tensor] + sign * (sums[:, gone] @ seen[gone])
            folded[tensor] = moved.astype(state[tensor].dtype)
    return folded
