"""IDX files, plain and behind gzip."""

from __future__ import annotations

import gzip
import struct

from bench.fuzz.reader import Scratch
from core.datasets import idx
from core.datasets.errors import DatasetInvalid
from core.jobs.datasets import DatasetFacts

REFUSED = (DatasetInvalid,)
FACTS = DatasetFacts("tiny", "tiny", (1, 2, 2), classes=3, train=2, test=2, augmented=False)
_SCRATCH = Scratch()
_LABELS = struct.pack(">2I", 0x801, 2) + b"\x00\x02"


def seeds() -> list[bytes]:
    """Two images, plain and compressed."""
    images = struct.pack(">4I", 0x803, 2, 2, 2) + bytes(range(8))
    return [images, gzip.compress(images, mtime=0)]


def read(data: bytes) -> None:
    """Read a dataset whose images these are, and again with these bytes for its labels."""
    suffix = ".gz" if data.startswith(b"\x1f") else ""
    given = _SCRATCH.file(data, f"images{suffix}")
    labels = _SCRATCH.file(_LABELS, "labels")
    splits = idx.read(FACTS, [given, labels, given, labels])
    assert splits.train_images.shape == (2, 1, 2, 2), "another shape"
