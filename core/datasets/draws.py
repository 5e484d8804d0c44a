"""Random numbers as pure functions of (purpose, seed, epoch), the same on every device and NumPy release."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

BLOCK = 4  # Philox makes this many numbers at once


class Purpose(IntEnum):
    """What the numbers are for: each has a stretch of the counter to itself, so that no two ever overlap."""

    ORDER = 0
    AUGMENTATION = 1
    SPLIT = 2
    RESIZED_CROP = 3


def draw(purpose: Purpose, seed: int, epoch: int, n: int, start: int = 0) -> NDArray[np.uint64]:
    """n uniform 64-bit numbers from Philox keyed on (seed, epoch) (Salmon et al., SC 2011).

    `start`, a multiple of `BLOCK`, counts the numbers before them, which cost nothing. They are the generator's raw
    output, whose stream NumPy keeps fixed; that of its distributions may change (NEP 19).
    """
    philox = np.random.Philox(
        key=np.array([seed, epoch], dtype=np.uint64),
        counter=np.array([start // BLOCK, 0, 0, purpose], dtype=np.uint64),
    )
    return philox.random_raw(n)


def permutation(purpose: Purpose, seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """A uniformly random permutation of 0 … n−1: the order that sorts n draws."""
    return np.argsort(draw(purpose, seed, epoch, n), kind="stable")
