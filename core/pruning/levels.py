"""How many weights each level of IMP removes, and how many are left: exact integers."""

from __future__ import annotations

import math
from fractions import Fraction


def quota(survivors: int, fraction: float) -> int:
    """⌈fraction · survivors⌉ with the fraction as the decimal it is written as.

    In floats 0.07 · 100 is a little over 7 and would round up to 8. Raises `ValueError` unless
    0 ≤ fraction < 1.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"the fraction to prune must be at least 0 and under 1, not {fraction}")
    return math.ceil(Fraction(str(fraction)) * survivors)


def survivors_at(level: int, prunable: int, fraction: float) -> int:
    """Weights left after `level` rounds of pruning; level 0 is dense."""
    survivors = prunable
    for _ in range(level):
        survivors -= quota(survivors, fraction)
    return survivors
