"""Single tensors of a foreign file: which shapes and types are read, and how their bytes become arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.families.registry import MOST_VALUES
from core.interchange.failure import Reason, Unreadable

MOST_DIMENSIONS = 8

SHAPES = f"at most {MOST_DIMENSIONS} dimensions and {MOST_VALUES} values"

TYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),
    "int64": np.dtype("<i8"),
    "int32": np.dtype("<i4"),
    "int16": np.dtype("<i2"),
    "int8": np.dtype("i1"),
    "uint8": np.dtype("u1"),
    "bool": np.dtype("u1"),
}
"""The types that are read, and how their values lie in a file."""


def is_shape(shape: Sequence[int]) -> bool:
    """Whether an array may have this shape: an empty one too counts its other dimensions, as NumPy does."""
    return len(shape) <= MOST_DIMENSIONS and math.prod(max(size, 1) for size in shape) <= MOST_VALUES


def typed(stored: NDArray[Any], kind: str, where: str) -> NDArray[Any]:
    """Values of one of `TYPES` as NumPy has them; bfloat16 is widened to float32."""
    if kind == "bfloat16":
        wide = stored.astype("<u4")
        # In place: the shift of an array without dimensions would be a scalar.
        wide <<= 16
        return wide.view("<f4")
    if kind == "bool":
        if stored.size and stored.max() > 1:
            raise Unreadable(Reason.MASK_VALUE, where, "booleans, 0 or 1")
        return stored.view(np.bool_)
    return stored
