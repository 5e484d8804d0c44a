"""What is trained: a network under a random mask of level 10, on random images of a dataset's shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from core.datasets import Resident
from core.datasets.splits import Splits
from core.families import architecture
from core.families.architecture import Architecture
from core.families.initialisation import initialise
from core.jobs.datasets import DATASETS
from core.jobs.recipes import Recipe, recipe_for
from core.pruning.levels import survivors_at
from core.pruning.random import random_mask

LEVEL = 10
"""IMP's tenth level: 89.26 % of the prunable weights are gone."""

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A network, the dataset whose shape its images have, and how many of them make an epoch.

    One epoch is what is timed, with its evaluation: there are test images in the dataset's own proportion. It has
    `images` training images for each seed, and `glimpse` while layouts are still being compared.
    """

    network: str
    dataset: str
    preset: str
    images: int
    glimpse: int

    @property
    def recipe(self) -> Recipe:
        """The preset, so long that no benchmark reaches its end or a milestone."""
        return recipe_for(self.preset, {"length": "100000ep", "milestones": ()})

    @property
    def architecture(self) -> Architecture:
        """The network for the dataset's images and classes."""
        facts = DATASETS[self.dataset]
        return architecture(self.network, facts.input, facts.classes)

    def random_images(self, train: int) -> Resident:
        """`train` random images with random labels, and test images in proportion."""
        known = DATASETS[self.dataset]
        facts = replace(known, train=train, test=max(1, train * known.test // known.train))
        generator = np.random.default_rng(0)
        count = facts.train + facts.test
        images = generator.integers(0, 256, (count, *facts.input), dtype=np.uint8)
        labels = generator.integers(0, facts.classes, count)
        return Resident.of(facts, Splits(images[:train], labels[:train], images[train:], labels[train:]))


CASES = {
    "mlp_2": Case("mlp_2", "mnist", "mlp", images=60_000, glimpse=12_800),
    "cifar_resnet_20": Case("cifar_resnet_20", "cifar10", "cifar_resnet", images=768, glimpse=256),
}


def start(network: Architecture, recipe: Recipe, seed: int) -> tuple[Arrays, Arrays]:
    """Initial weights, and random masks of level 10 that leave dense what the recipe keeps dense."""
    survivors = survivors_at(LEVEL, network.prunable_weights, 0.2)
    shapes = {spec.name: spec.shape for spec in network.prunable}
    return initialise(network, seed), random_mask(shapes, survivors, seed, recipe.dense)
