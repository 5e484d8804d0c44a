"""Tickets carried across width: channels repeated as Net2WiderNet does (Chen et al., 2016, section 2.2), or dropped.

Dimensions that are wired together form a group of channels; each group is stretched or squeezed as one. A tensor
writes the group of its first dimension and reads those of the others; a depthwise convolution has one dimension
of channels only, and so is never rescaled.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.elastic.refusal import Reason, Refused

Axes: TypeAlias = Mapping[str, tuple[str, ...]]
"""For each tensor the group of every dimension: "" where it follows no width, () where the wiring is not known."""

Channels: TypeAlias = Mapping[str, NDArray[np.intp]]
"""For each group, for each target channel: its source channel."""

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
Arrays: TypeAlias = Mapping[str, NDArray[Any]]
Scalar = TypeVar("Scalar", bound=np.generic)


class Carried(NamedTuple):
    """One tensor at the target's width, with its mask if it is prunable."""

    name: str
    weight: NDArray[Any]
    mask: NDArray[np.bool_] | None


def carry_width(
    weights: Arrays,
    masks: Mapping[str, NDArray[np.bool_]],
    axes: Axes,
    old: Shapes,
    new: Shapes,
    *,
    noise: float = 0.0,
    seed: int = 0,
) -> Iterator[Carried]:
    """The tensors in `new`, which has the target's shapes, one after another; `old` has the source's.

    `weights` is a state dict with zeros where pruned; `masks` covers its prunable tensors. Both may make their
    arrays when asked: no more than one is held. What does not change is the very array given. With `noise` 0 a
    wider network computes the same function; otherwise the surviving weights that write a second or later copy of
    a channel are multiplied by 1 + noise · N(0, 1), drawn for each tensor from (seed, source size, name), so that
    twins can part in training.

    Raises `Refused` where the tensors of source or target disagree on a group's channels, and for a shape that
    follows from no width; ValueError for a noise that is negative or not finite; KeyError for an unknown tensor.
    """
    if not (noise >= 0 and math.isfinite(noise)):
        raise ValueError(f"noise is {noise}; accepted are finite numbers from 0 on")
    channels = resized(group_sizes(old, axes), group_sizes(new, axes), weights, axes, masks)
    for name, shape in new.items():
        if name in masks:
            mask = gather(masks[name], axes[name], channels)
            carried = carry_weight(weights[name], axes[name], channels)
            first = old[name][0]
            if noise and len(mask) > first:
                _part_twins(carried[first:], mask[first:], noise, seed, first, name)
        else:
            mask, carried = None, gather(weights[name], axes[name], channels)
        if carried.shape != tuple(shape):
            raise Refused(
                Reason.SHAPES_DIFFER,
                f"{name} has shape {list(carried.shape)} at the target's width, and the target needs "
                f"{list(shape)}; only dimensions that are known to follow the width may differ",
            )
        yield Carried(name, carried, mask)


def group_sizes(shapes: Shapes, axes: Axes) -> dict[str, int]:
    """How many channels each group has.

    Raises `Refused`, naming the tensor, where two dimensions of a group differ, or axes do not fit a shape.
    """
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        if len(axes[name]) not in (0, len(shape)):
            raise Refused(
                Reason.AXES_DIFFER,
                f"{name} has {len(shape)} dimensions and names {len(axes[name])} axes; name all of them or none",
            )
        for group, size in zip(axes[name], shape, strict=False):
            if group and sizes.setdefault(group, size) != size:
                raise Refused(
                    Reason.WIDTHS_DIFFER,
                    f"{name} has {size} channels of {group}, and another tensor {sizes[group]}; "
                    "channels that are wired together must be as many",
                )
    return sizes


def resized(
    sizes: Mapping[str, int],
    wanted: Mapping[str, int],
    weights: Arrays,
    axes: Axes,
    prunable: Container[str],
) -> dict[str, NDArray[np.intp]]:
    """The source channels of each group that goes from its size to the wanted one; left out, it keeps its size.

    A group that grows from n repeats its channels, j mod n. One that shrinks keeps, in their order, the channels
    with the most surviving weight (`surviving_weight`); of equal ones the first.
    """
    channels = {}
    for group, n in sizes.items():
        m = wanted.get(group, n)
        if m < n:
            scores = surviving_weight(group, n, weights, axes, prunable)
            channels[group] = np.sort(np.argsort(-scores, kind="stable")[:m])
        else:
            channels[group] = np.arange(m) % n
    return channels


def surviving_weight(
    group: str, size: int, weights: Arrays, axes: Axes, prunable: Container[str]
) -> NDArray[np.float64]:
    """Σ |w| of each channel of a group, over the prunable tensors that write it, or if there are none, read it."""
    places = [
        (name, dimension)
        for name in weights
        if name in prunable
        for dimension, its_group in enumerate(axes[name])
        if its_group == group
    ]
    writers = [(name, dimension) for name, dimension in places if dimension == 0]
    scores = np.zeros(size)
    for name, dimension in writers or places:
        # A sum of its own for each channel: equal channels tie to the last bit, however NumPy blocks its sums.
        channels = np.moveaxis(weights[name], dimension, 0)
        scores += [np.abs(channel).sum(dtype=np.float64) for channel in channels]
    return scores


def gather(array: NDArray[Scalar], axes: tuple[str, ...], channels: Channels) -> NDArray[Scalar]:
    """A mask, bias or normalisation at the target's width: each target channel a copy of its source channel."""
    for dimension, group in enumerate(axes):
        if group and not np.array_equal(channels[group], np.arange(array.shape[dimension])):
            array = np.take(array, channels[group], axis=dimension)
    return array


def carry_weight(weight: NDArray[Scalar], axes: tuple[str, ...], channels: Channels) -> NDArray[Scalar]:
    """A prunable tensor at the target's width.

    What reads a channel with c copies is divided by c, so that the copies together give what it gave (Chen et
    al., 2016, section 2.2). Where channels are dropped nothing is rescaled.
    """
    carried: NDArray[Any] = gather(weight, axes, channels)
    for dimension, group in enumerate(axes[1:], start=1):
        if carried.shape[dimension] > weight.shape[dimension]:
            copies = np.bincount(channels[group])[channels[group]].astype(weight.dtype)
            carried /= copies.reshape(-1, *[1] * (carried.ndim - dimension - 1))
    return carried


def _part_twins(
    copies: NDArray[Any], mask: NDArray[np.bool_], noise: float, seed: int, first: int, name: str
) -> None:
    # Not the stream that initialises this tensor: the noise of a copy would follow the weight that it disturbs.
    # Nor that of an earlier widening, from fewer channels: its twins would get the same noise and stay twins.
    generator = np.random.Generator(np.random.PCG64([seed, first, *f"twins of {name}".encode()]))
    factors = 1 + noise * generator.standard_normal(copies.shape, dtype=copies.dtype)
    np.multiply(copies, factors, out=copies, where=mask)
