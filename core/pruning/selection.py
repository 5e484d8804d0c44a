"""The choice that every criterion ends in: exactly so many weights survive, those of the highest score."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = Mapping[str, NDArray[np.floating[Any]]]
"""A score per weight of every prunable tensor; where weights tie, the order of the tensors counts."""
Masks = dict[str, NDArray[np.bool_]]
"""Which weights survive, per prunable tensor."""


def keep_largest(
    scores: Scores,
    survivors: int,
    dense: Collection[str] = (),
    masks: Mapping[str, NDArray[np.bool_]] | None = None,
) -> Masks:
    """Masks of exactly `survivors` weights in all: those of the highest (signed) score, globally.

    Equal scores: the lower (tensor order, flat index) is pruned first. Tensors named in `dense` stay whole and count
    among the survivors. With `masks` only their survivors may survive, and a dense tensor keeps what it has.

    Raises `ValueError` where the count is impossible, a score that is compared is not finite, or names or shapes do
    not fit.
    """
    refuse_unknown(dense, scores)
    allowed = (
        {name: np.ones(score.shape, np.bool_) for name, score in scores.items()} if masks is None else masks
    )
    _refuse_misfits(scores, allowed)
    ranked = {name: score[allowed[name]] for name, score in scores.items() if name not in dense}
    refuse_not_finite(ranked)
    available = sum(score.size for score in ranked.values())
    whole = sum(int(np.count_nonzero(mask)) for name, mask in allowed.items() if name in dense)
    refuse_impossible(survivors, whole, whole + available)

    kept = {name: allowed[name].copy() for name in scores}
    if ranked:
        pruned = _smallest(np.concatenate(list(ranked.values())), whole + available - survivors)
        ends = np.cumsum([score.size for score in ranked.values()])
        for name, part in zip(ranked, np.split(pruned, ends[:-1]), strict=True):
            kept[name][allowed[name]] = ~part
    return kept


def _smallest(scores: NDArray[np.floating[Any]], count: int) -> NDArray[np.bool_]:
    """Which are the `count` smallest, the earlier first among equals. A partition, so linear time."""
    if count == 0:
        return np.zeros(scores.shape, np.bool_)
    threshold = np.partition(scores, count - 1)[count - 1]
    smallest: NDArray[np.bool_] = scores < threshold
    ties = np.flatnonzero(scores == threshold)
    smallest[ties[: count - int(np.count_nonzero(smallest))]] = True
    return smallest


def refuse_unknown(dense: Iterable[str], names: Collection[str]) -> None:
    """Raise `ValueError` where a tensor is to stay dense that is not among `names`."""
    unknown = [name for name in dense if name not in names]
    if unknown:
        raise ValueError(f"to be kept dense, but not among the prunable tensors: {', '.join(unknown)}")


def refuse_impossible(survivors: int, least: int, most: int) -> None:
    """Raise `ValueError` unless so many weights can survive."""
    if not least <= survivors <= most:
        raise ValueError(f"{survivors} survivors asked for; between {least} and {most} are possible")


def refuse_not_finite(scores: Scores) -> None:
    """Raise `ValueError` for NaN and ±∞: NaN has no place in an order, and ∞ stands for numbers that differ."""
    for name, score in scores.items():
        if not np.isfinite(score).all():
            found = "NaN" if np.isnan(score).any() else "infinite"
            raise ValueError(f"a score of {name} is {found}")


def _refuse_misfits(scores: Scores, masks: Mapping[str, NDArray[np.bool_]]) -> None:
    for name in {**masks, **scores}:
        mask, score = (f"shape {a[name].shape}" if name in a else "nothing" for a in (masks, scores))
        if mask != score:
            raise ValueError(f"{name} has a mask of {mask}, but its scores have {score}")
