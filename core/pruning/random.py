"""Random masks: uniform per weight over the whole network, with exact counts."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np

from core.pruning.select import choose
from core.pruning.selection import Masks, Scores


def random_mask(
    shapes: Mapping[str, tuple[int, ...]], survivors: int, seed: int, dense: Collection[str] = ()
) -> Masks:
    """Masks with exactly `survivors` weights, every such choice equally likely: a function of its arguments.

    Tensors named in `dense` stay whole and count among the survivors. Raises `ValueError` where the count
    cannot be met or a dense tensor is unknown.
    """
    return choose(random_scores(shapes, seed, dense), survivors, dense=dense)


def random_scores(shapes: Mapping[str, tuple[int, ...]], seed: int, dense: Collection[str] = ()) -> Scores:
    """A random order of all weights as scores, float64, no two equal; a dense tensor has no part in it, and zeros."""
    drawn = {name: math.prod(shape) for name, shape in shapes.items() if name not in dense}
    # The raw stream of a bit generator never changes; NumPy's own choice and permutation may (NEP 19).
    keys = np.random.PCG64(seed).random_raw(sum(drawn.values()))
    scores = np.empty(keys.shape)
    # The smallest keys survive. They have 64 bits and a float64 only 53, but every rank has a float64 of its own.
    scores[np.argsort(keys, kind="stable")] = -np.arange(keys.size, dtype=np.float64)
    parts = dict(zip(drawn, np.split(scores, np.cumsum(list(drawn.values()))[:-1]), strict=False))
    return {
        name: parts[name].reshape(shape) if name in parts else np.zeros(shape)
        for name, shape in shapes.items()
    }
