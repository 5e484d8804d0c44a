"""A dataset too large for memory: photographs in files, decoded as they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from core.datasets.class_folders import Examples
from core.datasets.dataset import Batch, Dataset
from core.datasets.decoding import PIECE, Decoded, Pace, Piece, loader
from core.datasets.draws import Purpose, draw
from core.datasets.errors import DatasetInvalid
from core.datasets.normalisation import Normalisation
from core.datasets.order import epoch_order
from core.datasets.pace import measured
from core.datasets.views import NUMBERS
from core.jobs.recipes import steps_per_epoch

_TEST_BATCH = 4 * PIECE

_Rows = NDArray[np.int64]
_paces: dict[Path, Pace] = {}


@dataclass(frozen=True)
class Streamed(Dataset):
    """Files of photographs. Training sees random views of them, and test the middle of each."""

    train: Examples
    test: Examples

    def batches(
        self,
        *,
        batch: int,
        seed: int,
        augment: bool,
        device: torch.device,
        memory_format: torch.memory_format = torch.contiguous_format,
        dtype: torch.dtype = torch.float32,
    ) -> StreamedBatches:
        """Batches decoded some steps ahead; without `augment` of the views that test images are seen in."""
        requests = _Requests(self.train, batch, seed, augment and self.facts.augmented)
        return StreamedBatches(self, requests, device, Normalisation(self, device, memory_format, dtype))

    def test_batches(
        self, device: torch.device, memory_format: torch.memory_format = torch.contiguous_format
    ) -> StreamedTestBatches:
        """Batches of 128 images; see `Dataset`."""
        return StreamedTestBatches(self, device, memory_format)

    def pace(self, batch: int) -> Pace:
        """How to decode: measured when images are first asked for, on training images, and kept for this process."""
        folder = self.train.folder
        if folder not in _paces:
            pieces = iter(_Requests(self.train, PIECE, seed=0, augment=self.facts.augmented))
            size = self.facts.input[1]
            _paces[folder] = measured(lambda pace: iter(loader(pieces, size, pace, pinned=False)), batch)
        return _paces[folder]


class _Requests:
    """The pieces of all batches from step `start` on, without end."""

    def __init__(self, examples: Examples, batch: int, seed: int, augment: bool) -> None:
        self.start = 0
        self.batch = batch
        self.steps_per_epoch = steps_per_epoch(len(examples.labels), batch)
        self._examples, self._seed, self._augment = examples, seed, augment
        # Of two epochs: near the end of one, what is decoded ahead is of the next.
        self._order = lru_cache(maxsize=2)(partial(epoch_order, seed, n=len(examples.labels)))

    def __iter__(self) -> Iterator[Piece]:
        for step in count(self.start):
            epoch, position = divmod(step, self.steps_per_epoch)
            rows, numbers = self.rows(step), None
            if self._augment:
                before = position * self.batch * NUMBERS
                numbers = draw(Purpose.RESIZED_CROP, self._seed, epoch, len(rows) * NUMBERS, before)
            yield from _pieces(self._examples, rows, numbers)

    def rows(self, step: int) -> _Rows:
        """Which images a step's batch has."""
        epoch, position = divmod(step, self.steps_per_epoch)
        return self._order(epoch)[position * self.batch : (position + 1) * self.batch]


class StreamedBatches:
    """Steps asked for one after the other come from one stream; any other begins the stream anew at that step."""

    def __init__(
        self, dataset: Streamed, requests: _Requests, device: torch.device, normalise: Normalisation
    ) -> None:
        self._dataset, self._requests, self._device = dataset, requests, device
        self._normalise = normalise
        self._next = -1
        self.steps_per_epoch = requests.steps_per_epoch

    @cached_property
    def _loader(self) -> DataLoader[Decoded]:
        return _loader(self._dataset, self._requests, self._requests.batch, self._device)

    def at(self, step: int) -> Batch:
        """Normalised images [B, C, H, W] and labels [B] of one step; B is smaller in an epoch's last."""
        if step != self._next:
            self._requests.start = step
            self._stream = iter(self._loader)
        self._next = -1
        labels = self._dataset.train.labels[self._requests.rows(step)]
        batch = _taken(self._stream, labels, self._device, self._normalise)
        self._next = step + 1
        return batch


class StreamedTestBatches:
    """The test images class after class."""

    def __init__(self, dataset: Streamed, device: torch.device, memory_format: torch.memory_format) -> None:
        self._dataset, self._device = dataset, device
        self._normalise = Normalisation(dataset, device, memory_format)

    @cached_property
    def _loader(self) -> DataLoader[Decoded]:
        test = self._dataset.test
        pieces = list(_pieces(test, np.arange(len(test.labels)), None))
        return _loader(self._dataset, pieces, _TEST_BATCH, self._device)

    def __iter__(self) -> Iterator[Batch]:
        stream, labels = iter(self._loader), self._dataset.test.labels
        for start in range(0, len(labels), _TEST_BATCH):
            yield _taken(stream, labels[start : start + _TEST_BATCH], self._device, self._normalise)


def _pieces(examples: Examples, rows: _Rows, numbers: NDArray[np.uint64] | None) -> Iterator[Piece]:
    for start in range(0, len(rows), PIECE):
        paths = [examples.path(row) for row in rows[start : start + PIECE]]
        some = None if numbers is None else numbers.reshape(-1, NUMBERS)[start : start + PIECE]
        yield Piece(paths, some)


def _loader(
    dataset: Streamed, pieces: Iterable[Piece], batch: int, device: torch.device
) -> DataLoader[Decoded]:
    return loader(pieces, dataset.facts.input[1], dataset.pace(batch), pinned=device.type == "cuda")


def _taken(stream: Iterator[Decoded], labels: _Rows, device: torch.device, normalise: Normalisation) -> Batch:
    """One batch, as bytes until it is on the device; raises `DatasetInvalid` where one of its images is broken."""
    pieces: list[Tensor] = []
    for _ in range(0, len(labels), PIECE):
        piece = next(stream)
        if isinstance(piece, DatasetInvalid):
            raise piece
        pieces.append(piece.to(device, non_blocking=True))
    images = torch.cat(pieces).permute(0, 3, 1, 2)
    return normalise(images), torch.from_numpy(labels).to(device, non_blocking=True)
