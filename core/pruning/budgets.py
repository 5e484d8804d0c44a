"""How many weights of each layer survive, where the budget is not left to the scores: exact integers."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Literal

from core.pruning.erk import erk_densities
from core.pruning.selection import refuse_impossible, refuse_unknown


def layer_survivors(
    shapes: Mapping[str, tuple[int, ...]],
    survivors: int,
    scope: Literal["uniform", "erk"],
    dense: Collection[str] = (),
) -> dict[str, int]:
    """Survivors of every tensor, `survivors` in all.

    `uniform`: the same density in every tensor; `erk`: Erdős–Rényi-kernel densities (Evci et al., 2020, section 3).
    Tensors named in `dense` stay whole and count. Raises `ValueError` where the count is impossible.
    """
    refuse_unknown(dense, shapes)
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    whole, everything = sum(sizes[name] for name in sizes if name in dense), sum(sizes.values())
    refuse_impossible(survivors, whole, everything)
    if whole == everything:
        return sizes
    if scope == "uniform":
        rest = Fraction(survivors - whole, everything - whole)
        densities = {name: Fraction(1) if name in dense else rest for name in shapes}
    else:
        densities = erk_densities(shapes, Fraction(survivors, everything), dense)
    return _rounded({name: densities[name] * size for name, size in sizes.items()})


def _rounded(shares: dict[str, Fraction]) -> dict[str, int]:
    """Whole numbers of the same sum: rounded down, then one more for the largest remainders, the later of equals."""
    counts = {name: math.floor(share) for name, share in shares.items()}
    missing = int(sum(shares.values())) - sum(counts.values())
    by_remainder = sorted(shares, key=lambda name: shares[name] - counts[name])
    for name in by_remainder[len(by_remainder) - missing :]:
        counts[name] += 1
    return counts
