"""ILSVRC-2012: a million photographs in class folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.datasets.class_folders import examples
from core.datasets.streamed import Streamed
from core.jobs.datasets import DatasetFacts

# Customary, and never measured here: that would mean to read 140 GB.
_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)


def read(facts: DatasetFacts, files: Sequence[Path]) -> Streamed:
    """`train` and `val`, in this order; `val` is the test split. Raises `DatasetInvalid`."""
    train, test = examples(facts, *files)
    return Streamed(facts, _MEAN, _STD, train, test)
