"""SET: grow at random (Mocanu et al., 2018, algorithm 2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def keys(seed: int, step: int, name: str, size: int) -> NDArray[np.int64]:
    """A random number ≥ 0 for each weight of a tensor at an update: a function of its arguments. The largest grow."""
    # The raw stream of a bit generator never changes (NEP 19).
    drawn = np.random.PCG64([seed, step, *name.encode()]).random_raw(size)
    return (drawn >> np.uint64(1)).astype(np.int64)
