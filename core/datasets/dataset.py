"""What a dataset offers a training: batches of any step, and test images to measure on; in memory or streamed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from core.jobs.datasets import DatasetFacts

Batch = tuple[Tensor, Tensor]


class Batches(Protocol):
    """The batches that a training sees; step counts from 0 through all epochs."""

    @property
    def steps_per_epoch(self) -> int:
        """An epoch's last batch may be smaller than the others."""

    def at(self, step: int) -> Batch:
        """Normalised images [B, C, H, W] and labels, int64 [B], of one step, on the device.

        Steps may be asked for in any order; one after the other is fastest.
        """


@dataclass(frozen=True)
class Dataset(ABC):
    """Its facts; mean and deviation of the training images per channel, in pixel units."""

    facts: DatasetFacts
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def name(self) -> str:
        """Its name, as `DATASETS` lists it."""
        return self.facts.name

    @abstractmethod
    def batches(
        self,
        *,
        batch: int,
        seed: int,
        augment: bool,
        device: torch.device,
        memory_format: torch.memory_format = torch.contiguous_format,
        dtype: torch.dtype = torch.float32,
    ) -> Batches:
        """The training batches under `seed`: a step's is a pure function of (seed, step).

        `augment`: also at random positions, mirrored and so on, where that does not change an image's class.
        `memory_format` and `dtype` are those of the images handed out.
        """

    @abstractmethod
    def test_batches(
        self, device: torch.device, memory_format: torch.memory_format = torch.contiguous_format
    ) -> Iterable[Batch]:
        """All test images once, in a fixed order, in batches as those of a training; can be iterated again."""
