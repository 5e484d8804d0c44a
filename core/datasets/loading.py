"""Finds a dataset's files and reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from core.datasets import cifar, digits, idx, imagenet, svhn, tiny_imagenet
from core.datasets.dataset import Dataset
from core.datasets.download import download
from core.datasets.resident import Resident
from core.datasets.splits import Splits
from core.jobs.datasets import DATASETS, DatasetFacts

_READERS: dict[str, Callable[[DatasetFacts, Sequence[Path]], Splits]] = {
    "digits": digits.read,
    "mnist": idx.read,
    "fashion_mnist": idx.read,
    "cifar10": partial(cifar.read, cifar.CIFAR10),
    "cifar100": partial(cifar.read, cifar.CIFAR100),
    "svhn": svhn.read,
    "tiny_imagenet": tiny_imagenet.read,
}


def load(name: str, directory: Path) -> Dataset:
    """Read a dataset from `directory`/`name` or `directory`; download it where it is in neither.

    Raises `ValueError` on an unknown name, `DatasetMissing`, and `DatasetInvalid` naming file and defect.
    """
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}; there are: {', '.join(DATASETS)}")
    facts = DATASETS[name]
    stored = DATASETS[facts.upsampled or name]
    files = locate(stored, directory)
    if name == "imagenet":
        return imagenet.read(facts, files)
    return Resident.of(facts, _READERS[stored.name](stored, files))


def locate(facts: DatasetFacts, directory: Path) -> tuple[Path, ...]:
    """The files of the first complete layout, downloaded if there is none; empty for a bundled dataset."""
    if not facts.layouts:
        return ()
    roots = facts.roots(directory)
    for root in roots:
        if files := facts.files_in(root):
            return files
    return download(facts, roots[0])
