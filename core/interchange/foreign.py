"""What a foreign file holds, in the words of this house, before an architecture is known for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
Masks = dict[str, NDArray[np.bool_]]


@dataclass
class Foreign:
    """One ticket of a foreign file.

    `weights`: every tensor of the network, dense, float32 or int64, under the names of its state dict. `masks`:
    some or all of the prunable tensors (those left out are dense), or None where only the zeros of the weights
    can tell. `initial`: θ_0, where the file has it. `dense`: whether pruned places of `weights` hold values.
    `details`: facts of the format, JSON values only: what was dropped, rounded, inferred.
    """

    weights: Arrays
    masks: Masks | None
    initial: Arrays | None = None
    dense: bool = False
    rewind_step: int = 0
    level: int | None = None
    seed: int | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Given:
    """What the sender says of a file, because many formats do not.

    `rewind_step`: the step of the weights; `steps_per_epoch`: turns the epochs of a name into steps; `level`: the
    one IMP level that is wanted, or that the file is.
    """

    rewind_step: int | None = None
    steps_per_epoch: int | None = None
    level: int | None = None
