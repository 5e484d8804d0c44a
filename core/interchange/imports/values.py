"""Single tensors of a foreign file, in the types of a ticket."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.interchange.failure import Reason, Unreadable


def weight(name: str, array: NDArray[Any], rounded: list[str]) -> NDArray[Any]:
    """Finite float32 values, or int64 for any integers and booleans.

    Narrower floats are widened; float64 is rounded, and its name noted in `rounded` where that changes a value.
    """
    if not array.size:
        raise Unreadable(Reason.TENSOR_SHAPE, name, f"at least one value, not the shape {list(array.shape)}")
    kind = array.dtype.kind
    if kind in "iub":
        return array.astype(np.int64, copy=False)
    if kind != "f":
        raise Unreadable(Reason.TENSOR_DTYPE, name, "floating-point numbers, integers or booleans")
    with np.errstate(over="ignore"):
        values = array.astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        first = int((~np.isfinite(values)).reshape(-1).argmax())
        raise Unreadable(Reason.NOT_FINITE, f"{name}[{first}]", "finite float32 values")
    if array.dtype.itemsize > 4 and (values != array).any():
        rounded.append(name)
    return values


def mask(name: str, array: NDArray[Any]) -> NDArray[np.bool_]:
    """True where a weight is kept; from booleans, integers or floats that are 0 and 1 exactly."""
    if array.dtype.kind not in "iubf":
        raise Unreadable(Reason.MASK_DTYPE, name, "booleans, or numbers 0 and 1")
    kept = array == 1
    bad = ~kept & (array != 0)
    if bad.any():
        raise Unreadable(Reason.MASK_VALUE, f"{name}[{int(bad.reshape(-1).argmax())}]", "0 or 1")
    return np.asarray(kept, np.bool_)
