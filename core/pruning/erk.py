"""Erdős–Rényi-kernel densities: the smaller a layer, the denser (Evci et al., 2020, section 3)."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from fractions import Fraction

from core.pruning.selection import refuse_unknown


def erk_densities(
    shapes: Mapping[str, tuple[int, ...]], density: Fraction, dense: Collection[str] = ()
) -> dict[str, Fraction]:
    """Each tensor's density, ε · Σ dims / ∏ dims and at most 1, so that exactly `density` of all weights survive.

    Tensors named in `dense` have density 1 and count. A layer that would have more than 1 becomes dense, and ε is
    solved again for the others. One at a time, as the authors do, or all of a round, as here, comes to the same:
    what a dense layer gives back can only raise ε, so whatever was over 1 stays over it.

    The authors round every layer's share of the numerator, Σ(N − ⌊sN⌋); here it is exact. Raises `ValueError` where
    the dense tensors alone are more than `density` allows, or `density` is over 1.
    """
    refuse_unknown(dense, shapes)
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    raw = {name: Fraction(sum(shape), sizes[name]) for name, shape in shapes.items()}
    sparse = [name for name in shapes if name not in dense]
    left = density * sum(sizes.values()) - sum(sizes[name] for name in shapes if name in dense)
    if not 0 <= left <= sum(sizes[name] for name in sparse):
        raise ValueError(f"a density of {float(density)} is impossible with {len(dense)} tensors kept dense")
    densities = dict.fromkeys(shapes, Fraction(1))
    while sparse:
        epsilon = left / sum(raw[name] * sizes[name] for name in sparse)
        over = [name for name in sparse if epsilon * raw[name] > 1]
        if not over:
            return densities | {name: epsilon * raw[name] for name in sparse}
        sparse = [name for name in sparse if name not in over]
        left -= sum(sizes[name] for name in over)
    return densities
