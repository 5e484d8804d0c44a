"""Random masks: uniform per weight over the whole network, with exact counts."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray


def random_mask(
    shapes: Mapping[str, tuple[int, ...]], survivors: int, seed: int, dense: Collection[str] = ()
) -> dict[str, NDArray[np.bool_]]:
    """Masks with exactly `survivors` weights, every such choice equally likely: a function of its arguments.

    Tensors named in `dense` stay whole and count among the survivors. Raises `ValueError` where the count
    cannot be met or a dense tensor is unknown.
    """
    unknown = [name for name in dense if name not in shapes]
    if unknown:
        raise ValueError(f"not among the prunable tensors: {', '.join(unknown)}")
    masks = {name: np.ones(shape, np.bool_) for name, shape in shapes.items()}
    drawn = [name for name in shapes if name not in dense]
    sizes = [math.prod(shapes[name]) for name in drawn]
    whole = sum(mask.size for mask in masks.values()) - sum(sizes)
    kept = survivors - whole
    if not 0 <= kept <= sum(sizes):
        raise ValueError(
            f"{survivors} survivors asked for; between {whole} and {whole + sum(sizes)} are possible"
        )
    if not drawn:
        return masks

    # The raw stream of a bit generator never changes; NumPy's own choice and permutation may (NEP 19).
    keys = np.random.PCG64(seed).random_raw(sum(sizes))
    flat = np.zeros(sum(sizes), np.bool_)
    flat[np.argsort(keys, kind="stable")[:kept]] = True
    for name, part in zip(drawn, np.split(flat, np.cumsum(sizes)[:-1]), strict=True):
        masks[name] = part.reshape(shapes[name])
    return masks
