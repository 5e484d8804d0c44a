"""IDX, the format of MNIST and its relatives: big-endian header, then bytes; plain or compressed by gzip."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.datasets.errors import DatasetInvalid
from core.datasets.splits import Splits
from core.jobs.datasets import DatasetFacts

_UNSIGNED_BYTE = 0x08


def read(facts: DatasetFacts, files: Sequence[Path]) -> Splits:
    """Training images, training labels, test images and test labels, in this order.

    Raises `DatasetInvalid` on anything but the sizes that `facts` states.
    """
    train_images, train_labels, test_images, test_labels = files
    return Splits(
        _images(train_images, facts, facts.train),
        _labels(train_labels, facts, facts.train),
        _images(test_images, facts, facts.test),
        _labels(test_labels, facts, facts.test),
    )


def _images(path: Path, facts: DatasetFacts, count: int) -> NDArray[np.uint8]:
    return _read(path, (count, *facts.input[1:])).reshape(count, *facts.input)


def _labels(path: Path, facts: DatasetFacts, count: int) -> NDArray[np.int64]:
    labels = _read(path, (count,)).astype(np.int64)
    if labels.max() >= facts.classes:
        raise DatasetInvalid(path, f"holds label {labels.max()}; there are {facts.classes} classes")
    return labels


def _read(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The bytes of one file, which must declare and hold exactly this shape."""
    header = 4 + 4 * len(shape)
    size = header + math.prod(shape)
    content = _content(path, size + 1)
    if len(content) < header:
        raise DatasetInvalid(path, f"ends inside its header of {header} bytes")
    magic, *dims = struct.unpack_from(f">{1 + len(shape)}I", content)
    if magic != _UNSIGNED_BYTE << 8 | len(shape):
        raise DatasetInvalid(
            path, f"magic number is {magic:#010x}, not that of {len(shape)}-dimensional bytes"
        )
    if tuple(dims) != shape:
        raise DatasetInvalid(path, f"declares shape {dims}, expected {list(shape)}")
    if len(content) != size:
        length = f"{len(content)} bytes" if len(content) < size else "more"
        raise DatasetInvalid(path, f"should hold {size} bytes, holds {length}")
    return np.frombuffer(bytearray(content), np.uint8, offset=header).reshape(shape)


def _content(path: Path, limit: int) -> bytes:
    """At most `limit` bytes, so that a compressed file cannot expand beyond what is expected of it."""
    if path.suffix != ".gz":
        with path.open("rb") as plain:
            return plain.read(limit)
    try:
        with gzip.open(path) as compressed:
            return compressed.read(limit)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DatasetInvalid(path, f"is not a whole gzip file: {error}") from error
