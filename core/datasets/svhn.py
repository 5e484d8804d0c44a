"""SVHN's cropped digits: MATLAB files with X, uint8 [32, 32, 3, N], and y, [N, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.datasets import mat5
from core.datasets.errors import DatasetInvalid
from core.datasets.splits import Splits
from core.jobs.datasets import DatasetFacts

_HEADERS = 1024  # more than enough for what precedes the values of an array


def read(facts: DatasetFacts, files: Sequence[Path]) -> Splits:
    """Training images, then test images; y counts digits from 1, and its 10 is digit 0 (Netzer et al., 2011).

    Raises `DatasetInvalid` on anything but the sizes that `facts` states.
    """
    train, test = files
    return Splits(*_split(train, facts, facts.train), *_split(test, facts, facts.test))


def _split(path: Path, facts: DatasetFacts, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    channels, height, width = facts.input
    found = mat5.arrays(path, limit=count * math.prod(facts.input) + _HEADERS)
    for name, shape in (("X", (height, width, channels, count)), ("y", (count, 1))):
        if name not in found:
            raise DatasetInvalid(path, f"has no array of numbers {name}")
        if found[name].shape != shape:
            raise DatasetInvalid(path, f"{name} has shape {found[name].shape}, expected {shape}")
    images, labels = found["X"], found["y"][:, 0]
    if images.dtype != np.uint8:
        raise DatasetInvalid(path, f"X is stored as {images.dtype}, expected uint8")
    if not np.isin(labels, range(1, facts.classes + 1)).all():
        raise DatasetInvalid(path, f"y holds labels outside 1 … {facts.classes}")
    return np.array(images.transpose(3, 2, 0, 1), np.uint8, order="C"), labels.astype(
        np.int64
    ) % facts.classes
