"""A dataset small enough to live on the device whole, as uint8."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.datasets.augment import crop_and_flip, epoch_choices
from core.datasets.dataset import Batch, Dataset
from core.datasets.normalisation import Normalisation
from core.datasets.order import epoch_order
from core.datasets.splits import Splits
from core.jobs.datasets import DatasetFacts
from core.jobs.recipes import steps_per_epoch

# As much float32 is prepared in one go. MNIST's batch of 128 takes 0.4 MB: more leaves the cache and is slower,
# while one of 8×8 digits takes 32 kB and costs mostly the calls.
_PREPARED_BYTES = 1 << 19
_TEST_BATCH, _TEST_BYTES = 1000, 1 << 26
# MNIST takes 190 MB as float32.
_READY_BYTES = 1 << 28


@dataclass(frozen=True)
class Resident(Dataset):
    """Images uint8 [N, C, H, W] and labels int64 [N]."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    @classmethod
    def of(cls, facts: DatasetFacts, splits: Splits) -> Resident:
        """The dataset of what a reader has read."""
        mean, std = moments(splits.train_images)
        images, labels, test_images, test_labels = (torch.from_numpy(array) for array in splits)
        return cls(facts, mean, std, images, labels, test_images, test_labels)

    def batches(
        self,
        *,
        batch: int,
        seed: int,
        augment: bool,
        device: torch.device,
        memory_format: torch.memory_format = torch.contiguous_format,
        dtype: torch.dtype = torch.float32,
    ) -> ResidentBatches | ReadyBatches:
        """Batches of images on the device; see `Dataset`."""
        augment = augment and self.facts.augmented
        labels = self.train_labels.to(device)
        size = len(labels) * math.prod(self.facts.input) * dtype.itemsize
        if not augment and memory_format is torch.contiguous_format and size <= _READY_BYTES:
            return ReadyBatches(_ready(self, device, dtype), labels, batch, seed)
        return ResidentBatches(
            self.train_images.to(device),
            labels,
            batch=batch,
            seed=seed,
            augment=augment,
            normalise=Normalisation(self, device, memory_format, dtype),
            ahead=max(1, _PREPARED_BYTES // (4 * batch * math.prod(self.facts.input))),
        )

    def test_batches(
        self, device: torch.device, memory_format: torch.memory_format = torch.contiguous_format
    ) -> ResidentTestBatches:
        """Batches of 1,000 images, or fewer where they are large; see `Dataset`."""
        return ResidentTestBatches(
            self.test_images.to(device),
            self.test_labels.to(device),
            batch=min(_TEST_BATCH, _TEST_BYTES // (4 * math.prod(self.facts.input))),
            normalise=Normalisation(self, device, memory_format),
        )


@lru_cache(maxsize=1)
def _ready(dataset: Resident, device: torch.device, dtype: torch.dtype) -> Tensor:
    """All training images as a network takes them: trainings at once, and one after another, share them."""
    normalise = Normalisation(dataset, device, dtype=dtype)
    images = dataset.train_images.to(device)
    ready = torch.empty(len(images), *dataset.facts.input, dtype=dtype, device=device)
    for start in range(0, len(images), _TEST_BATCH):
        ready[start : start + _TEST_BATCH] = normalise(images[start : start + _TEST_BATCH])
    return ready


class ReadyBatches:
    """Batches of images that were normalised once and for all: a step only gathers them."""

    def __init__(self, images: Tensor, labels: Tensor, batch: int, seed: int) -> None:
        self._rows, self._shape = images.flatten(1), images.shape[1:]
        self._labels, self._batch, self._seed = labels, batch, seed
        self._epoch = -1
        self.steps_per_epoch = steps_per_epoch(len(labels), batch)

    def at(self, step: int) -> Batch:
        """Normalised images [B, C, H, W] and labels [B] of one step; B is smaller in an epoch's last."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            order = torch.from_numpy(epoch_order(self._seed, epoch, len(self._labels)))
            self._epoch, self._order = epoch, order.to(self._labels.device)
            self._ordered_labels = self._labels[self._order]
        chosen = slice(position * self._batch, (position + 1) * self._batch)
        images = self._rows.index_select(0, self._order[chosen]).view(-1, *self._shape)
        return images, self._ordered_labels[chosen]


class ResidentBatches:
    """Order and augmentation are drawn once per epoch and sent to the device whole: a step costs no transfer.

    Up to `ahead` consecutive steps are prepared together, which changes no bit of them.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        batch: int,
        seed: int,
        augment: bool,
        normalise: Normalisation,
        ahead: int,
    ) -> None:
        # Whole images are copied five times faster as rows than by indexing.
        self._rows, self._shape = images.flatten(1), images.shape[1:]
        self._labels = labels
        self._batch, self._seed, self._augment = batch, seed, augment
        self._normalise, self._ahead = normalise, ahead * batch
        self._epoch = -1
        self._first, self._prepared = 0, torch.empty(0)
        self.steps_per_epoch = steps_per_epoch(len(labels), batch)

    def at(self, step: int) -> Batch:
        """Normalised images [B, C, H, W] and labels [B] of one step; B is smaller in an epoch's last."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._enter(epoch)
        start = position * self._batch
        if not self._first <= start < self._first + len(self._prepared):
            self._first, self._prepared = start, self._prepare(slice(start, start + self._ahead))
        images = self._prepared[start - self._first :][: self._batch]
        return images, self._ordered_labels[start : start + self._batch]

    def _enter(self, epoch: int) -> None:
        n = len(self._labels)
        device = self._labels.device
        self._order = torch.from_numpy(epoch_order(self._seed, epoch, n)).to(device)
        self._ordered_labels = self._labels[self._order]
        if self._augment:
            self._choices = torch.from_numpy(epoch_choices(self._seed, epoch, n)).to(device)
        self._epoch = epoch
        self._prepared = torch.empty(0)

    def _prepare(self, chosen: slice) -> Tensor:
        images = self._rows.index_select(0, self._order[chosen]).view(-1, *self._shape)
        if self._augment:
            images = crop_and_flip(images, self._choices[chosen])
        return self._normalise(images)


class ResidentTestBatches:
    """The test images in their own order, normalised as they are asked for."""

    def __init__(self, images: Tensor, labels: Tensor, *, batch: int, normalise: Normalisation) -> None:
        self._images, self._labels, self._batch, self._normalise = images, labels, batch, normalise

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self._labels), self._batch):
            chosen = slice(start, start + self._batch)
            yield self._normalise(self._images[chosen]), self._labels[chosen]


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
