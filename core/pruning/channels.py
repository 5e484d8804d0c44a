"""From channels to weights: which weights a pruned channel takes with it (Liu et al., 2017, section 3)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from core.families.architecture import Architecture, Role, TensorSpec
from core.pruning.early_bird import ChannelMask


class NoChannels(ValueError):
    """A network whose channels cannot be pruned by their normalisation; the message says what is accepted."""


def written_by(network: Architecture) -> dict[str, str]:
    """For each batch normalisation, by the name of its scale, the weight whose output it normalises.

    It is the last weight before it, in the order of the state dict, that writes the same group of channels.
    Normalisations whose wiring is not known are left out.
    """
    last: dict[str, str] = {}
    found: dict[str, str] = {}
    for spec in network.tensors:
        if spec.role is Role.WEIGHT and spec.axes:
            last[spec.axes[0]] = spec.name
        elif spec.role is Role.SCALE and spec.axes:
            found[spec.name] = last[spec.axes[0]]
    return found


def check_channels(network: Architecture) -> None:
    """Raise `NoChannels` unless every channel's normalisation, and what writes it, is known."""
    scales = [spec for spec in network.tensors if spec.role is Role.SCALE]
    if not scales:
        raise NoChannels(
            f"{network.name} has no batch normalisation, by whose scales channels are chosen; "
            "accepted: residual networks, VGG, MobileNet"
        )
    if unknown := [spec.name for spec in scales if not spec.axes]:
        raise NoChannels(
            f"{network.name}: what writes the channels of {unknown[0]} is not known; "
            "accepted: networks of a built-in family"
        )


def weight_masks(
    network: Architecture, channels: ChannelMask, dense: Collection[str] = ()
) -> dict[str, NDArray[np.bool_]]:
    """The masks of all prunable weights under a channel mask; those named in `dense` stay whole.

    A normalised channel that is pruned takes the row of the weight that writes it. A channel of a group that is
    dead (`dead_channels`) takes all that writes or reads it: so it stays dead whatever its normalisation's shift
    becomes in training. In a residual stream another writer may keep the channel alive: then only the row goes.
    Raises `NoChannels` as `check_channels` does, and `ValueError` where a dense tensor is unknown.
    """
    check_channels(network)
    masks = {spec.name: np.ones(spec.shape, np.bool_) for spec in network.prunable}
    if unknown := [name for name in dense if name not in masks]:
        raise ValueError(f"not among the prunable tensors: {', '.join(unknown)}")
    for scale, weight in written_by(network).items():
        masks[weight][~channels[scale]] = False
    dead = dead_channels(network, channels)
    for spec in network.prunable:
        for dimension, group in enumerate(spec.axes):
            if group in dead:
                np.moveaxis(masks[spec.name], dimension, 0)[dead[group]] = False
    return masks | {name: np.ones_like(masks[name]) for name in dense}


def dead_channels(network: Architecture, channels: ChannelMask) -> dict[str, NDArray[np.bool_]]:
    """For each group with normalised channels, those that nothing of the image comes through any more.

    What several weights write is a sum, dead where all of them are pruned. A depthwise convolution writes anew what
    it reads: it alone ends a channel.
    """
    scales = {weight: scale for scale, weight in written_by(network).items()}
    dead: dict[str, NDArray[np.bool_]] = {}
    for group in dict.fromkeys(network.specs[scale].axes[0] for scale in channels):
        writers = [(spec, scales.get(spec.name)) for spec in writing(network, group)]
        size = writers[0][0].shape[0]
        gone = [(spec, ~channels[s] if s else np.zeros(size, np.bool_)) for spec, s in writers]
        summands = [rows for spec, rows in gone if not is_depthwise(network, spec)]
        rewritten = [rows for spec, rows in gone if is_depthwise(network, spec)]
        dead[group] = np.logical_or.reduce([np.logical_and.reduce(summands), *rewritten])
    return dead


def writing(network: Architecture, group: str) -> Iterator[TensorSpec]:
    """The weights that write a group of channels."""
    return (spec for spec in network.prunable if spec.axes[:1] == (group,))


def is_depthwise(network: Architecture, weight: TensorSpec) -> bool:
    """Whether it convolves each channel with itself: it reads no other group, nor the image, as the stem does."""
    return bool(weight.axes) and not any(weight.axes[1:]) and weight.name not in network.stem
