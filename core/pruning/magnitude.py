"""The criterion of iterative magnitude pruning (Frankle and Carbin, 2019): global, by |w|, exact counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from core.pruning.levels import quota

Weights = Mapping[str, NDArray[np.float32]]
Masks = Mapping[str, NDArray[np.bool_]]


def prune(
    weights: Weights, masks: Masks, fraction: float, dense: Collection[str] = ()
) -> dict[str, NDArray[np.bool_]]:
    """Masks with exactly ⌈fraction · survivors⌉ survivors fewer: those of the smallest |w|, globally.

    Equal magnitudes: the lower (tensor order, flat index) goes first; the tensor order is that of `masks`.
    Tensors named in `dense` keep all they have; they count among the survivors, and the others carry the
    quota. Raises `ValueError` where the others are too few, a surviving weight is NaN, or names or shapes do
    not fit.
    """
    _refuse_misfits(weights, masks, dense)
    count = quota(sum(int(np.count_nonzero(mask)) for mask in masks.values()), fraction)
    candidates = [name for name in masks if name not in dense]
    magnitudes = [np.abs(weights[name][masks[name]]) for name in candidates]
    removed = _smallest(np.concatenate(magnitudes) if magnitudes else np.empty(0, np.float32), count)

    pruned = {name: mask.copy() for name, mask in masks.items()}
    start = 0
    for name, magnitude in zip(candidates, magnitudes, strict=True):
        pruned[name][masks[name]] = ~removed[start : start + magnitude.size]
        start += magnitude.size
    return pruned


def _smallest(magnitudes: NDArray[np.float32], count: int) -> NDArray[np.bool_]:
    """Which are the `count` smallest, the earlier first among equals. A partition, so linear time."""
    if count > magnitudes.size:
        raise ValueError(
            f"{count} weights are to be pruned, but {magnitudes.size} survive outside dense tensors"
        )
    if np.isnan(magnitudes).any():
        raise ValueError("a surviving weight is NaN")
    if count == 0:
        return np.zeros(magnitudes.shape, np.bool_)
    threshold = np.partition(magnitudes, count - 1)[count - 1]
    smallest: NDArray[np.bool_] = magnitudes < threshold
    ties = np.flatnonzero(magnitudes == threshold)
    smallest[ties[: count - int(np.count_nonzero(smallest))]] = True
    return smallest


def _refuse_misfits(weights: Weights, masks: Masks, dense: Collection[str]) -> None:
    for name in dense:
        if name not in masks:
            raise ValueError(f"{name} is to be kept dense but is not among the prunable tensors")
    for name, mask in masks.items():
        if name not in weights or weights[name].shape != mask.shape:
            found = f"shape {weights[name].shape}" if name in weights else "nothing"
            raise ValueError(f"{name} has a mask of shape {mask.shape}, but its weights have {found}")
