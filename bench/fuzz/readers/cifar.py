"""CIFAR's batches: binary records, and the pickles for Python."""

from __future__ import annotations

import pickle

import numpy as np

from bench.fuzz.reader import Scratch
from bench.fuzz.readers.idx import FACTS
from core.datasets import cifar
from core.datasets.errors import DatasetInvalid

REFUSED = (DatasetInvalid,)
_SCRATCH = Scratch()


def seeds() -> list[bytes]:
    """Two images, as records and pickled in the protocols that are met."""
    batch = {b"data": np.arange(8, dtype=np.uint8).reshape(2, 4), b"labels": [0, 2]}
    return [bytes([0, 1, 2, 3, 4, 2, 5, 6, 7, 8]), pickle.dumps(batch, 2), pickle.dumps(batch, 4)]


def read(data: bytes) -> None:
    """Read a dataset of one batch and its test batch, both of these bytes."""
    path = _SCRATCH.file(data, "batch" if data.startswith(b"\x80") else "batch.bin")
    splits = cifar.read(cifar.CIFAR10, FACTS, [path, path])
    assert splits.train_images.shape == (2, 1, 2, 2), "another shape"
