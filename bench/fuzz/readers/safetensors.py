"""A safetensors file of another tool; what is opened has also passed the check that reads no values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.fuzz import samples
from bench.fuzz.reader import Scratch
from core.interchange.failure import Unreadable
from core.interchange.imports.safetensors import check_safetensors, open_safetensors

REFUSED = (Unreadable,)
_LIMIT = 1 << 20
_SCRATCH = Scratch()


def seeds() -> list[bytes]:
    """Weights; weights and masks, with metadata; other types."""
    weights: dict[str, NDArray[Any]] = samples.arrays()
    masks = {f"{name}_mask": mask for name, mask in samples.masks().items()}
    others: dict[str, NDArray[Any]] = {
        "a": np.zeros((2, 3), np.float16),
        "b": np.ones(3, np.int64),
        "c": np.ones((), np.bool_),
    }
    return [
        samples.safetensors(weights),
        samples.safetensors(weights | masks, format="pt"),
        samples.safetensors(others),
    ]


def read(data: bytes) -> None:
    """Open, then check: the check must not refuse more."""
    path = _SCRATCH.file(data)
    open_safetensors(path, _LIMIT)
    check_safetensors(path, _LIMIT)
