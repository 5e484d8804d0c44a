"""The loop that ours is measured against, as the code of published sparse training has it.

A DataLoader over single images with transforms on PIL images, masks multiplied onto the weights in every forward pass,
autograd, SGD as torch has it by default, NCHW, float32.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from bench.cases import Arrays
from core.datasets import Dataset, Resident
from core.families.architecture import Architecture
from core.jobs.recipes import Recipe, steps_per_epoch
from core.models import build
from core.models.state import load_state
from core.training.evaluation import Evaluation
from core.training.schedule import learning_rate

PAD = 4


class Images(TorchDataset[tuple[Tensor, int]]):
    """One image at a time: to PIL, flipped and cropped where `augment`, to floats in [0, 1], normalised."""

    def __init__(self, images: Tensor, labels: Tensor, dataset: Dataset, augment: bool) -> None:
        # PIL takes [H, W, C], or [H, W] for grey.
        self._pixels = images.permute(0, 2, 3, 1).squeeze(3).contiguous().numpy()
        self._labels = labels.tolist()
        self._mean, self._std = (
            torch.tensor(values).div(255).view(-1, 1, 1) for values in (dataset.mean, dataset.std)
        )
        self._augment = augment

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self._pixels[index])
        if self._augment:
            image = crop(flip(image))
        return to_tensor(image).sub_(self._mean).div_(self._std), self._labels[index]


def flip(image: Image.Image) -> Image.Image:
    """Mirrored left to right, every other time."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if torch.rand(1) < 0.5 else image


def crop(image: Image.Image) -> Image.Image:
    """A random window of the image's own size after padding by 4 black pixels."""
    width, height = image.size
    left, top = torch.randint(0, 2 * PAD + 1, (2,)).tolist()
    return ImageOps.expand(image, PAD).crop((left, top, left + width, top + height))


def to_tensor(image: Image.Image) -> Tensor:
    """Float32 [C, H, W] in [0, 1]."""
    pixels = torch.from_numpy(np.array(image))
    return pixels.view(*pixels.shape[:2], -1).permute(2, 0, 1).contiguous().to(torch.float32).div(255)


class Masked(nn.Module):
    """A network whose masks are multiplied onto its weights at the beginning of every forward pass."""

    def __init__(self, network: nn.Module, masks: Arrays) -> None:
        super().__init__()
        self.network = network
        parameters = dict(network.named_parameters())
        self._masked = [(parameters[name], torch.tensor(mask).float()) for name, mask in masks.items()]

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        for weight, mask in self._masked:
            weight.data *= mask
        logits: Tensor = self.network(images)
        return logits


class Reference:
    """A training by this loop, an epoch at a time."""

    def __init__(
        self,
        architecture: Architecture,
        dataset: Resident,
        recipe: Recipe,
        *,
        weights: Arrays,
        masks: Arrays,
        loaders: int = 0,
    ) -> None:
        network = build(architecture)
        load_state(network, weights)
        self.model = Masked(network, masks)
        augment = recipe.augment and dataset.facts.augmented
        train = Images(dataset.train_images, dataset.train_labels, dataset, augment)
        test = Images(dataset.test_images, dataset.test_labels, dataset, augment=False)
        workers = {"num_workers": loaders, "persistent_workers": loaders > 0}
        self._train = DataLoader(train, recipe.batch, shuffle=True, **workers)  # type: ignore[arg-type]
        self._test = DataLoader(test, recipe.batch, **workers)  # type: ignore[arg-type]
        self._loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self._optimizer = torch.optim.SGD(
            self.model.parameters(),
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
        )
        per_epoch = steps_per_epoch(dataset.facts.train, recipe.batch)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: learning_rate(recipe, step, per_epoch) / recipe.lr
        )

    def train_epoch(self) -> None:
        """Every training image once, in a fresh random order."""
        self.model.train()
        for images, labels in self._train:
            self._optimizer.zero_grad()
            self._loss(self.model(images), labels).backward()
            self._optimizer.step()
            self._schedule.step()

    @torch.no_grad()
    def evaluate(self) -> Evaluation:
        """Accuracy and loss on the test images."""
        self.model.eval()
        correct, loss = 0, 0.0
        for images, labels in self._test:
            logits = self.model(images)
            correct += int((logits.argmax(1) == labels).sum())
            loss += float(nn.functional.cross_entropy(logits, labels, reduction="sum"))
        total = len(self._test.dataset)  # type: ignore[arg-type]
        return Evaluation(correct, total, loss / total)
