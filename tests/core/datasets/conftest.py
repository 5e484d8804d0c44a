from __future__ import annotations

import dataclasses
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from core.datasets.splits import Splits
from core.jobs.datasets import DATASETS, DatasetFacts


@pytest.fixture
def mnist_facts() -> DatasetFacts:
    return dataclasses.replace(DATASETS["mnist"], train=30, test=7)


@pytest.fixture
def cifar_facts() -> DatasetFacts:
    return dataclasses.replace(DATASETS["cifar10"], train=20, test=3)


def _random(facts: DatasetFacts) -> Splits:
    rng = np.random.default_rng(1)

    def images(count: int) -> np.ndarray:
        return rng.integers(0, 256, (count, *facts.input), dtype=np.uint8)

    return Splits(
        images(facts.train),
        rng.integers(0, 10, facts.train),
        images(facts.test),
        rng.integers(0, 10, facts.test),
    )


@pytest.fixture
def mnist(mnist_facts: DatasetFacts) -> Splits:
    return _random(mnist_facts)


@pytest.fixture
def cifar(cifar_facts: DatasetFacts) -> Splits:
    return _random(cifar_facts)


class IdxFiles:
    """Writes splits as the four IDX files of a layout."""

    @staticmethod
    def content(array: np.ndarray) -> bytes:
        flat = array.astype(np.uint8).reshape(len(array), *array.shape[2:])
        return struct.pack(f">BBBB{flat.ndim}I", 0, 0, 8, flat.ndim, *flat.shape) + flat.tobytes()

    def write(self, splits: Splits, root: Path, layout: tuple[str, ...]) -> tuple[Path, ...]:
        root.mkdir(parents=True, exist_ok=True)
        files = tuple(root / name for name in layout)
        for file, array in zip(files, splits, strict=True):
            content = self.content(array)
            file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
        return files


@pytest.fixture
def idx_files() -> IdxFiles:
    return IdxFiles()
