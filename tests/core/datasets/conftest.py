from __future__ import annotations

import dataclasses
import gzip
import struct
import zlib
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from core.datasets import imagenet
from core.datasets.splits import Splits
from core.datasets.streamed import Streamed
from core.jobs.datasets import DATASETS, DatasetFacts


@pytest.fixture
def mnist_facts() -> DatasetFacts:
    return dataclasses.replace(DATASETS["mnist"], train=30, test=7)


@pytest.fixture
def cifar_facts() -> DatasetFacts:
    return dataclasses.replace(DATASETS["cifar10"], train=20, test=3)


@pytest.fixture
def cifar100_facts() -> DatasetFacts:
    return dataclasses.replace(DATASETS["cifar100"], train=20, test=3)


@pytest.fixture
def svhn_facts() -> DatasetFacts:
    return dataclasses.replace(DATASETS["svhn"], train=12, test=5)


def _random(facts: DatasetFacts) -> Splits:
    rng = np.random.default_rng(1)

    def images(count: int) -> np.ndarray:
        return rng.integers(0, 256, (count, *facts.input), dtype=np.uint8)

    return Splits(
        images(facts.train),
        rng.integers(0, facts.classes, facts.train),
        images(facts.test),
        rng.integers(0, facts.classes, facts.test),
    )


@pytest.fixture
def mnist(mnist_facts: DatasetFacts) -> Splits:
    return _random(mnist_facts)


@pytest.fixture
def cifar(cifar_facts: DatasetFacts) -> Splits:
    return _random(cifar_facts)


@pytest.fixture
def cifar100(cifar100_facts: DatasetFacts) -> Splits:
    return _random(cifar100_facts)


@pytest.fixture
def svhn(svhn_facts: DatasetFacts) -> Splits:
    return _random(svhn_facts)


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


class MatFiles:
    """Writes version 5 of MATLAB's files as its manual lays them out."""

    TYPES: ClassVar = {
        "int8": (1, 8),
        "uint8": (2, 9),
        "int16": (3, 10),
        "float32": (7, 7),
        "float64": (9, 6),
    }

    @staticmethod
    def element(kind: int, content: bytes) -> bytes:
        if 0 < len(content) <= 4:
            return struct.pack("<2H", kind, len(content)) + content.ljust(4, b"\0")
        return struct.pack("<2I", kind, len(content)) + content + bytes(-len(content) % 8)

    def variable(self, name: str, array: np.ndarray) -> bytes:
        """Flags, dimensions, name, and the values column by column."""
        stored, kind = self.TYPES[array.dtype.name]
        parts = (
            self.element(6, struct.pack("<2I", kind, 0)),
            self.element(5, struct.pack(f"<{array.ndim}i", *array.shape)),
            self.element(1, name.encode()),
            self.element(stored, array.tobytes(order="F")),
        )
        return self.element(14, b"".join(parts))

    @staticmethod
    def compressed(content: bytes) -> bytes:
        packed = zlib.compress(content)
        return struct.pack("<2I", 15, len(packed)) + packed

    @staticmethod
    def header(version: int = 0x0100) -> bytes:
        return b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + struct.pack("<H", version) + b"IM"

    def write(self, path: Path, *elements: bytes) -> Path:
        path.write_bytes(self.header() + b"".join(elements))
        return path


@pytest.fixture
def mat() -> MatFiles:
    return MatFiles()


class Photographs:
    """Photographs in ImageNet's layout, at first 40 of three classes for training and 11 for test; all different."""

    CLASSES = ("n00000003", "n00000010", "n00000020")

    def __init__(self, root: Path) -> None:
        self.train, self.test = root / "imagenet" / "train", root / "imagenet" / "val"
        self.facts = dataclasses.replace(
            DATASETS["imagenet"], input=(3, 28, 28), classes=3, train=40, test=11
        )
        self.expected = {
            split: [
                (split / wnid / f"{wnid}_{n}.JPEG", label)
                for label, wnid in enumerate(self.CLASSES)
                for n in range(count)
            ][:total]
            for split, count, total in ((self.train, 14, 40), (self.test, 4, 11))
        }
        rng = np.random.default_rng(0)
        for path, _ in [example for split in self.expected.values() for example in split][::-1]:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.image(*rng.integers(30, 90, 2).tolist(), rng).save(path, "JPEG", quality=95)

    @staticmethod
    def image(width: int, height: int, rng: np.random.Generator) -> Image.Image:
        """Random colours that change smoothly, so that JPEG keeps them."""
        few = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        return Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC)

    def read(self) -> Streamed:
        return imagenet.read(self.facts, (self.train, self.test))


@pytest.fixture
def photographs(tmp_path: Path) -> Photographs:
    return Photographs(tmp_path)
