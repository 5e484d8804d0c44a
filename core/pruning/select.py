"""From scores to masks: over the whole network or layer by layer, weight by weight or in a pattern."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal

import numpy as np

from core.pruning.budgets import layer_survivors
from core.pruning.patterns import blocks, n_of_m, undivided
from core.pruning.selection import Masks, Scores, keep_largest

Choose = Callable[[Scores, int], Masks]
"""Masks of so many survivors, those of the highest scores: `choose`, its keyword arguments given."""


def choose(
    scores: Scores,
    survivors: int | None,
    *,
    scope: Literal["global", "uniform", "erk"] = "global",
    pattern: str | None = None,
    dense: Collection[str] = (),
) -> Masks:
    """Masks of `survivors` weights, those of the highest score.

    `scope`: ranked over the whole network, or in every layer by itself, which then has the same density as all others
    or its Erdős–Rényi-kernel density. `pattern`: `N:M`, which says by itself how much survives and heeds no count;
    `RxC`, where blocks of R outputs × C inputs survive as one, as many as fit. Tensors named in `dense`, and those
    that a pattern does not divide, stay whole; in a budget they count. Ties: the lower (tensor order, flat index) is
    pruned first. Raises `ValueError` where the count is impossible or missing, or a score not finite.
    """
    if pattern is not None and ":" in pattern:
        n, m = map(int, pattern.split(":"))
        return n_of_m(scores, n, m, dense)
    if survivors is None:
        raise ValueError("how many weights survive must be given: only a pattern N:M says it itself")
    rows, columns = map(int, pattern.split("x")) if pattern else (1, 1)

    def best(scores: Scores, survivors: int, dense: Collection[str]) -> Masks:
        if pattern is None:
            return keep_largest(scores, survivors, dense)
        return blocks(scores, survivors, rows, columns, dense)

    if scope == "global":
        return best(scores, survivors, dense)
    whole = {*dense, *undivided(scores, rows, columns)}
    counts = layer_survivors({name: score.shape for name, score in scores.items()}, survivors, scope, whole)
    masks = {name: np.ones(score.shape, np.bool_) for name, score in scores.items()}
    for name in (name for name in scores if name not in whole):
        masks |= best({name: scores[name]}, counts[name], ())
    return masks
