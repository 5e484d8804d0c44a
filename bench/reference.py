"""The loop our own is measured against: a DataLoader over images, masks multiplied in the forward pass, plain SGD."""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from core.datasets import Resident
from core.families.architecture import Architecture
from core.jobs.recipes import Recipe
from core.models import build
from core.models.state import load_state


class _Images(TorchDataset[tuple[Tensor, int]]):
    """One image at a time: crop, flip, to float, normalise."""

    def __init__(self, dataset: Resident, augment: bool) -> None:
        self._images, self._labels = dataset.train_images, dataset.train_labels
        self._mean = torch.tensor(dataset.mean).view(-1, 1, 1)
        self._std = torch.tensor(dataset.std).view(-1, 1, 1)
        self._augment = augment

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self._images[index]
        if self._augment:
            height, width = image.shape[1:]
            top, left = random.randrange(9), random.randrange(9)
            image = F.pad(image, (4, 4, 4, 4))[:, top : top + height, left : left + width]
            if random.random() < 0.5:
                image = image.flip(2)
        return (image.float() - self._mean) / self._std, int(self._labels[index])


def train_epoch(
    architecture: Architecture,
    dataset: Resident,
    recipe: Recipe,
    weights: Mapping[str, NDArray[np.float32]],
    masks: Mapping[str, NDArray[np.bool_]],
) -> None:
    """Train one epoch."""
    model = build(architecture)
    load_state(model, weights)
    model.train()
    parameters = dict(model.named_parameters())
    tensors = {name: torch.from_numpy(mask).float() for name, mask in masks.items()}
    optimizer = torch.optim.SGD(
        model.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    for images, labels in DataLoader(_Images(dataset, recipe.augment), batch_size=recipe.batch, shuffle=True):
        optimizer.zero_grad()
        masked = {name: parameter * tensors.get(name, 1.0) for name, parameter in parameters.items()}
        F.cross_entropy(torch.func.functional_call(model, masked, images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
