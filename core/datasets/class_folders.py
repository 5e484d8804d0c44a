"""ImageNet's layout: for each split a folder, in it a folder for each class, named by its WordNet id."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.datasets.errors import DatasetInvalid
from core.datasets.kept import Arrays, kept
from core.jobs.datasets import DatasetFacts

_WORDNET_ID = re.compile(r"n[0-9]{8}")
_SUFFIX = ".JPEG"
_END = b"\0"  # no file name has it


@dataclass(frozen=True, eq=False)
class Examples:
    """The files of a split, class after class, and labels, int64 [N]. A million names are one string of bytes."""

    folder: Path
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    names: NDArray[np.uint8]
    ends: NDArray[np.int64]

    def path(self, row: int) -> str:
        """Where the image of a row is."""
        start = self.ends[row - 1] + 1 if row else 0
        name = os.fsdecode(self.names[start : self.ends[row]].tobytes())
        return f"{self.folder}/{self.classes[self.labels[row]]}/{name}"


def examples(facts: DatasetFacts, train: Path, test: Path) -> tuple[Examples, Examples]:
    """The training and the test images; classes are numbered in the order of their WordNet ids.

    Listing takes long, so that its result is kept beside the folder that both are in, until a class's folder
    changes. Raises `DatasetInvalid` on anything but the counts that `facts` states.
    """
    classes = _classes(train, facts.classes)
    for wnid in _classes(test, facts.classes):
        if wnid not in classes:
            raise DatasetInvalid(test / wnid, f"is of a class that {train} does not have")
    splits = {train: facts.train, test: facts.test}

    def listed() -> Arrays:
        return tuple(array for folder, count in splits.items() for array in _listed(folder, classes, count))

    cache = train.parent.with_name(f"{train.parent.name}.npy")
    arrays = kept(cache, 4, _fingerprint(facts, splits, classes), listed)
    found = [
        Examples(
            folder, classes, np.repeat(np.arange(len(classes)), counts), names, np.flatnonzero(names == 0)
        )
        for folder, counts, names in zip(splits, arrays[::2], arrays[1::2], strict=True)
    ]
    return found[0], found[1]


def _classes(split: Path, count: int) -> tuple[str, ...]:
    wnids = sorted(entry.name for entry in os.scandir(split) if _WORDNET_ID.fullmatch(entry.name))
    if len(wnids) != count:
        raise DatasetInvalid(split, f"holds {len(wnids)} folders named as n01440764 is, expected {count}")
    return tuple(wnids)


def _listed(split: Path, classes: tuple[str, ...], count: int) -> Arrays:
    """How many files each class has, and all names."""
    names = [_names(split / wnid) for wnid in classes]
    counts = np.array([len(of_class) for of_class in names], np.int64)
    if counts.sum() != count:
        raise DatasetInvalid(split, f"holds {counts.sum()} JPEG files in its classes, expected {count}")
    joined = b"".join(os.fsencode(name) + _END for of_class in names for name in of_class)
    return counts, np.frombuffer(joined, np.uint8)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(_SUFFIX))
    except OSError as error:
        raise DatasetInvalid(folder, f"is no folder of images: {error.strerror}") from error


def _fingerprint(facts: DatasetFacts, splits: dict[Path, int], classes: tuple[str, ...]) -> bytes:
    """SHA-256 of when each class's folder last got or lost a file."""
    digest = hashlib.sha256(f"{facts.train} {facts.test}".encode())
    for split in splits:
        for wnid in classes:
            digest.update(f"{wnid} {(split / wnid).stat().st_mtime_ns}\n".encode())
    return digest.digest()
