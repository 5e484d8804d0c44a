"""The order in which an epoch visits the training images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.datasets.draws import Purpose, permutation


def epoch_order(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """A permutation of 0 … n−1, a pure function of (seed, epoch); both are at least 0."""
    return permutation(Purpose.ORDER, seed, epoch, n)
