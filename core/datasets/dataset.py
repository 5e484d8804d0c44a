"""A dataset: uint8 images and labels as tensors, with the normalisation measured on the training images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.datasets import cifar, digits, idx, svhn, tiny_imagenet
from core.datasets.download import download
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


@dataclass(frozen=True)
class Dataset:
    """Images uint8 [N, C, H, W], labels int64 [N]; mean and deviation per channel, in pixel units."""

    facts: DatasetFacts
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def name(self) -> str:
        """Its name, as `DATASETS` lists it."""
        return self.facts.name

    @classmethod
    def of(cls, facts: DatasetFacts, splits: Splits) -> Dataset:
        """The dataset of what a reader has read."""
        mean, std = moments(splits.train_images)
        images, labels, test_images, test_labels = (torch.from_numpy(array) for array in splits)
        return cls(facts, images, labels, test_images, test_labels, mean, std)


def load(name: str, directory: Path) -> Dataset:
    """Read a dataset from `directory`/`name` or `directory`; download it where it is in neither.

    Raises `ValueError` on an unknown name, `DatasetMissing`, and `DatasetInvalid` naming file and defect.
    """
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}; there are: {', '.join(DATASETS)}")
    facts = DATASETS[name]
    return Dataset.of(facts, _READERS[name](facts, locate(facts, directory)))


def locate(facts: DatasetFacts, directory: Path) -> tuple[Path, ...]:
    """The files of the first complete layout, downloaded if there is none; empty for a bundled dataset."""
    if not facts.layouts:
        return ()
    for root in (directory / facts.name, directory):
        if files := facts.files_in(root):
            return files
    return download(facts, directory / facts.name)


def moments(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of [N, C, H, W], from exact integer sums.

    The deviation of a constant channel is given as 1: it is divided by.
    """
    sums = np.zeros((2, images.shape[1]), dtype=np.int64)
    for start in range(0, len(images), 1000):  # 1,000 CIFAR-10 images as int64 are 25 MB, all of them 1.2 GB
        chunk = images[start : start + 1000].astype(np.int64)
        sums += chunk.sum(axis=(0, 2, 3)), np.square(chunk).sum(axis=(0, 2, 3))
    count = images.size // images.shape[1]
    totals, squares = sums.tolist()  # Python's integers: the products below pass 2^63
    mean = tuple(total / count for total in totals)
    variance = ((count * square - total**2) / count**2 for total, square in zip(totals, squares, strict=True))
    return mean, tuple(math.sqrt(value) or 1.0 for value in variance)
