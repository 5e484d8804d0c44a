"""The criterion of iterative magnitude pruning (Frankle and Carbin, 2019): by |w|, exact counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.pruning.levels import quota
from core.pruning.selection import Masks, keep_largest, refuse_unknown


def prune(
    weights: Mapping[str, NDArray[np.float32]],
    masks: Mapping[str, NDArray[np.bool_]],
    fraction: float,
    dense: Collection[str] = (),
    scope: Literal["global", "layer"] = "global",
) -> Masks:
    """Masks with exactly ⌈fraction · survivors⌉ survivors fewer: those of the smallest |w|.

    `global`: of all survivors. Tensors named in `dense` keep all they have; they count among the survivors, and the
    others carry the quota. `layer`: of the survivors of every tensor that is not dense, by itself.

    Equal magnitudes: the lower (tensor order, flat index) goes first; the tensor order is that of `masks`. Raises
    `ValueError` where the others are too few, a surviving weight is not finite, or names or shapes do not fit.
    """
    refuse_unknown(dense, masks)
    magnitudes = {name: np.abs(weights[name]) for name in masks if name in weights}
    if scope == "global":
        return keep_largest(magnitudes, _left(masks, fraction), dense, masks)
    pruned = {name: mask.copy() for name, mask in masks.items()}
    for name in (name for name in masks if name not in dense):
        layer = {name: masks[name]}
        magnitude = {name: magnitudes[name]} if name in magnitudes else {}
        pruned |= keep_largest(magnitude, _left(layer, fraction), masks=layer)
    return pruned


def _left(masks: Mapping[str, NDArray[np.bool_]], fraction: float) -> int:
    survivors = sum(int(np.count_nonzero(mask)) for mask in masks.values())
    return survivors - quota(survivors, fraction)
