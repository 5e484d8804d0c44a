"""Tiny ImageNet: a folder of JPEG files for each class, and a list of the validation images' classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.datasets.decoded import decoded
from core.datasets.errors import DatasetInvalid
from core.datasets.splits import Splits
from core.jobs.datasets import DatasetFacts

_Classes = dict[str, int]
_Examples = list[tuple[Path, int]]


def read(facts: DatasetFacts, files: Sequence[Path]) -> Splits:
    """`wnids.txt`, `train`, `val/images` and `val_annotations.txt`, in this order; `val` is the test split.

    Classes are numbered in the order of their WordNet ids, as every reader of class folders numbers them.
    Images are decoded on the first call, into a file beside the folder. Raises `DatasetInvalid`.
    """
    wnids, train, test, annotations = files
    classes = _classes(wnids, facts.classes)
    examples = [
        *_train(train, classes, facts.train // facts.classes),
        *_test(test, annotations, classes, facts.test),
    ]
    images = decoded(
        [path for path, _ in examples], facts.input, train.parent.with_name(f"{train.parent.name}.npy")
    )
    labels = np.array([label for _, label in examples], dtype=np.int64)
    return Splits(images[: facts.train], labels[: facts.train], images[facts.train :], labels[facts.train :])


def _classes(path: Path, count: int) -> _Classes:
    """WordNet id → label."""
    wnids = _lines(path)
    for number, wnid in enumerate(wnids, 1):
        if not re.fullmatch(r"n\d{8}", wnid):
            raise DatasetInvalid(path, f"line {number} is {wnid!r}, not a WordNet id such as n01443537")
    different = sorted(set(wnids))
    if len(different) != count or len(wnids) != count:
        raise DatasetInvalid(
            path, f"names {len(different)} different classes in {len(wnids)} lines, expected {count}"
        )
    return {wnid: label for label, wnid in enumerate(different)}


def _train(folder: Path, classes: _Classes, each: int) -> _Examples:
    return [
        (path, label) for wnid, label in classes.items() for path in _jpegs(folder / wnid / "images", each)
    ]


def _test(folder: Path, annotations: Path, classes: _Classes, count: int) -> _Examples:
    """In the order of the annotations, which must name every image once and every class."""
    unnamed = {path.name: path for path in _jpegs(folder, count)}
    unseen = set(classes)
    examples = []
    for number, line in enumerate(_lines(annotations), 1):
        name, wnid, *_box = [*line.split("\t"), ""]
        if name not in unnamed:
            raise DatasetInvalid(
                annotations, f"line {number} names {name!r}, not in {folder} or named before"
            )
        if wnid not in classes:
            raise DatasetInvalid(annotations, f"line {number} names class {wnid!r}, not in wnids.txt")
        examples.append((unnamed.pop(name), classes[wnid]))
        unseen.discard(wnid)
    if unnamed:
        raise DatasetInvalid(annotations, f"has no line for {min(unnamed)}")
    if unseen:
        raise DatasetInvalid(annotations, f"names no image of class {min(unseen)}")
    return examples


def _jpegs(folder: Path, count: int) -> list[Path]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".JPEG")
    except OSError as error:
        raise DatasetInvalid(folder, f"is no folder of images: {error.strerror}") from error
    if len(paths) != count:
        raise DatasetInvalid(folder, f"holds {len(paths)} JPEG files, expected {count}")
    return paths


def _lines(path: Path) -> list[str]:
    """Of a text in ASCII; other bytes become a character that no name here has."""
    return path.read_text("ascii", errors="replace").splitlines()
