"""Masks that hardware can skip: N of every M consecutive inputs, or whole blocks of outputs × inputs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.pruning.selection import (
    Masks,
    Scores,
    keep_largest,
    refuse_impossible,
    refuse_not_finite,
    refuse_unknown,
)


def n_of_m(scores: Scores, n: int, m: int, dense: Collection[str] = ()) -> Masks:
    """Of every `m` consecutive weights along the input axis (dim 1) the `n` of the highest score survive.

    At each output and kernel position by itself (Mishra et al., 2021, section 3, has 2 of 4). Equal scores: the lower
    index is pruned first. Tensors whose inputs `m` does not divide stay whole, and so do those named in `dense`.

    Raises `ValueError` unless 0 < n ≤ m, or for scores that are not finite.
    """
    refuse_unknown(dense, scores)
    if not 0 < n <= m:
        raise ValueError(f"{n} of every {m} weights cannot survive: between 1 and {m} can")
    ranked = {name: score for name, score in scores.items() if name not in dense and score.shape[1] % m == 0}
    refuse_not_finite(ranked)
    return {
        name: _best(score, n, m) if name in ranked else np.ones(score.shape, np.bool_)
        for name, score in scores.items()
    }


def _best(score: NDArray[np.floating[Any]], n: int, m: int) -> NDArray[np.bool_]:
    inputs_last = np.moveaxis(score, 1, -1)
    groups = inputs_last.reshape(-1, m)
    kept = np.ones(groups.shape, np.bool_)
    smallest = np.argsort(groups, axis=1, kind="stable")[:, : m - n]
    np.put_along_axis(kept, smallest, False, axis=1)
    return np.ascontiguousarray(np.moveaxis(kept.reshape(inputs_last.shape), -1, 1))


def blocks(scores: Scores, survivors: int, rows: int, columns: int, dense: Collection[str] = ()) -> Masks:
    """Blocks of `rows` outputs × `columns` inputs, at each kernel position, survive or go as one.

    They are ranked globally by the sum of their scores, equal ones as their first weights are: the lower goes first.
    As many survive as fit into `survivors` weights, never one more. Tensors that do not divide into blocks, and those
    named in `dense`, stay whole and count. Raises `ValueError` where the count is impossible or a score not finite.
    """
    refuse_unknown(dense, scores)
    divided = [name for name in scores if name not in {*dense, *undivided(scores, rows, columns)}]
    refuse_not_finite({name: scores[name] for name in divided})
    whole = sum(score.size for name, score in scores.items() if name not in divided)
    refuse_impossible(survivors, whole, sum(score.size for score in scores.values()))
    sums = {name: _sums(scores[name], rows, columns) for name in divided}
    kept = keep_largest(sums, (survivors - whole) // (rows * columns))
    return {
        name: kept[name].repeat(rows, 0).repeat(columns, 1)
        if name in kept
        else np.ones(score.shape, np.bool_)
        for name, score in scores.items()
    }


def undivided(scores: Scores, rows: int, columns: int) -> list[str]:
    """The tensors that blocks of `rows` outputs × `columns` inputs do not fit into."""
    return [name for name, score in scores.items() if score.shape[0] % rows or score.shape[1] % columns]


def _sums(score: NDArray[np.floating[Any]], rows: int, columns: int) -> NDArray[np.float64]:
    outputs, inputs, *kernel = score.shape
    tiles = score.reshape(outputs // rows, rows, inputs // columns, columns, *kernel)
    sums: NDArray[np.float64] = tiles.sum((1, 3), dtype=np.float64)
    return sums
