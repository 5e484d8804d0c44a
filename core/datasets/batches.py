"""Training batches from tensors that stay on the device: any step can be asked for, in any order."""

from __future__ import annotations

import torch
from torch import Tensor

from core.datasets.augment import crop_and_flip, epoch_choices
from core.datasets.dataset import Dataset
from core.datasets.order import epoch_order
from core.jobs.recipes import steps_per_epoch


class Normalisation:
    """uint8 images → float32 with mean 0 and deviation 1 per channel over the training images."""

    def __init__(
        self,
        dataset: Dataset,
        device: torch.device,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        self._mean, self._std = (
            torch.tensor(values, device=device).view(1, -1, 1, 1) for values in (dataset.mean, dataset.std)
        )
        self._format = memory_format

    def __call__(self, images: Tensor) -> Tensor:
        """[B, C, H, W] → the same shape, in the memory format that the network computes in."""
        return images.to(torch.float32, memory_format=self._format).sub_(self._mean).div_(self._std)


class Batches:
    """The batches that a training under `seed` sees; step counts from 0 through all epochs.

    A batch is a pure function of (seed, step). Order and augmentation are drawn once per epoch and sent to
    the device whole, so that a step costs no transfer.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch: int,
        seed: int,
        augment: bool,
        device: torch.device,
        normalise: Normalisation,
    ) -> None:
        self._images = dataset.train_images.to(device)
        self._labels = dataset.train_labels.to(device)
        self._batch, self._seed, self._augment = batch, seed, augment
        self._device, self._normalise = device, normalise
        self._epoch = -1
        self.steps_per_epoch = steps_per_epoch(len(self._labels), batch)

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Normalised images [B, C, H, W] and labels [B] of one step; B is smaller in an epoch's last."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._enter(epoch)
        chosen = slice(position * self._batch, (position + 1) * self._batch)
        rows = self._order[chosen]
        images = self._images[rows]
        if self._augment:
            images = crop_and_flip(images, self._choices[chosen])
        return self._normalise(images), self._labels[rows]

    def _enter(self, epoch: int) -> None:
        n = len(self._labels)
        self._order = torch.from_numpy(epoch_order(self._seed, epoch, n)).to(self._device)
        if self._augment:
            self._choices = torch.from_numpy(epoch_choices(self._seed, epoch, n)).to(self._device)
        self._epoch = epoch
