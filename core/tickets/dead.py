"""Neurons that a mask leaves without a way in or out: E-LTH's worry about fully connected layers (appendix)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.families.architecture import Architecture


def dead_neurons(architecture: Architecture, masks: Mapping[str, NDArray[np.bool_]]) -> int | None:
    """How many hidden neurons of the fully connected layers no surviving weight enters, or none leaves.

    A layer is hidden if another fully connected layer reads it. Only neighbours are looked at: a neuron fed by dead
    ones alone is not counted, other than by reachability. None where no layer is hidden, or where it is not known how
    the network is wired.
    """
    entered: dict[str, NDArray[np.bool_]] = {}
    left: dict[str, NDArray[np.bool_]] = {}
    for spec in architecture.prunable:
        if len(spec.shape) == 2 and spec.axes:
            writes, reads = spec.axes
            mask = masks[spec.name]
            entered[writes] = np.asarray(mask.any(axis=1)) | entered.get(writes, False)
            left[reads] = np.asarray(mask.any(axis=0)) | left.get(reads, False)
    hidden = [group for group in entered if group and group in left]
    if not hidden:
        return None
    return sum(int(np.count_nonzero(~(entered[group] & left[group]))) for group in hidden)
