"""Early-bird tickets: whole channels, drawn as soon as the choice settles (You et al., 2020, algorithm 1).

The criterion is that of network slimming (Liu et al., 2017, section 3): the scale γ of a batch normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

ChannelMask: TypeAlias = Mapping[str, NDArray[np.bool_]]
"""By the name of each normalisation's scale, which of its channels are kept."""


def channel_mask(
    scales: Mapping[str, NDArray[np.float32]], share: float, spared: Collection[str] = ()
) -> dict[str, NDArray[np.bool_]]:
    """A mask without exactly ⌊share · all channels⌋ of them: those of the smallest |γ|, over the whole network.

    Equal magnitudes: the lower (tensor order, index) goes first; the order is that of `scales`. Normalisations in
    `spared` keep all channels; they count among them, and the others carry the quota. Whole layers may be emptied, and
    where no shortcut passes one, the network no longer looks at its input: `emptied` names them, for whoever prunes
    to say. Raises `ValueError` where the others are too few, and for a γ that is NaN.
    """
    names = [name for name in scales if name not in spared]
    gammas = np.concatenate([np.abs(scales[name]) for name in names]) if names else np.empty(0, np.float32)
    if np.isnan(gammas).any():
        raise ValueError("a scale is NaN")
    # The decimal as it is written: in floats 0.07 · 100 is a little over 7.
    count = math.floor(Fraction(str(share)) * sum(gamma.size for gamma in scales.values()))
    if count > gammas.size:
        raise ValueError(f"{count} channels are to be pruned, but only {gammas.size} may be")
    kept = np.ones(gammas.size, np.bool_)
    kept[np.argsort(gammas, kind="stable")[:count]] = False
    parts = np.split(kept, np.cumsum([scales[name].size for name in names])[:-1])
    found = dict(zip(names, parts, strict=True)) if names else {}
    return {name: found.get(name, np.ones(gamma.shape, np.bool_)) for name, gamma in scales.items()}


def emptied(mask: ChannelMask) -> list[str]:
    """The normalisations that keep no channel."""
    return [name for name, kept in mask.items() if not kept.any()]


def mask_distance(mask: ChannelMask, other: ChannelMask) -> float:
    """The share of all channels that one keeps and the other prunes: normalised Hamming distance (section 3.2)."""
    differing = sum(int(np.count_nonzero(kept != other[name])) for name, kept in mask.items())
    return differing / sum(kept.size for kept in mask.values())


def settled(history: Sequence[ChannelMask], window: int, distance: float) -> bool:
    """Whether to draw the ticket: there are `window` masks, and the newest differs from each of the window − 1 before
    it by less than `distance` (algorithm 1: the largest entry of the queue of mask distances is below ε).
    """
    if len(history) < window:
        return False
    *before, newest = history[-window:]
    return all(mask_distance(newest, older) < distance for older in before)


def distances(history: Sequence[ChannelMask]) -> list[float]:
    """How far each mask is from the one before it."""
    return [mask_distance(newer, older) for older, newer in pairwise(history)]
