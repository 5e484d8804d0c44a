"""SVHN's MATLAB files."""

from __future__ import annotations

import io

import numpy as np
from scipy.io import savemat

from bench.fuzz.reader import Scratch
from bench.fuzz.readers.idx import FACTS
from core.datasets import svhn
from core.datasets.errors import DatasetInvalid

REFUSED = (DatasetInvalid,)
_SCRATCH = Scratch()


def seeds() -> list[bytes]:
    """Two images, compressed and not."""
    content = {"X": np.arange(8, dtype=np.uint8).reshape(2, 2, 1, 2), "y": np.array([[1], [3]], np.uint8)}
    made = []
    for compressed in (False, True):
        stream = io.BytesIO()
        savemat(stream, content, do_compression=compressed)
        made.append(stream.getvalue())
    return made


def read(data: bytes) -> None:
    """Read a dataset of two files of these bytes."""
    path = _SCRATCH.file(data)
    svhn.read(FACTS, [path, path])
