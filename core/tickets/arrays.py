"""Small helpers for arrays that are shared and must not change."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)

# The safetensors names of the types that a ticket is made of, and of the boolean masks it is made from.
_DTYPES = {"<f4": "F32", "<i8": "I64", "|u1": "U8", "|b1": "BOOL"}


def dtype_name(array: NDArray[np.generic]) -> str:
    """The safetensors name of an array's type, or NumPy's own for a type that no ticket holds."""
    return _DTYPES.get(array.dtype.str, array.dtype.str)


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """A row-major view that cannot be written; a copy only where the array is not row-major."""
    view = np.asarray(array, order="C").view()
    view.flags.writeable = False
    return view


def raw(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    """The bytes of a row-major array, as a flat view: nothing is read or copied."""
    return array.reshape(-1).view(np.uint8)
