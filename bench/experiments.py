"""Trainings on real data, by the reference loop and by ours, from the same initial weights and masks."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench.cases import start
from bench.ours import MODES, Follower
from bench.reference import Reference
from core.datasets import Resident, load
from core.families import architecture
from core.jobs.recipes import Recipe, recipe_for
from core.training.checkpoint import TrainingState
from core.training.loop import Replicate, train

REFERENCE = "reference"


@dataclass(frozen=True)
class Experiment:
    """A network on the first images of a dataset, under a preset with some fields replaced."""

    network: str
    dataset: str
    train: int
    test: int
    preset: str
    changes: tuple[tuple[str, Any], ...]

    @property
    def recipe(self) -> Recipe:
        """The preset as changed."""
        return recipe_for(self.preset, dict(self.changes))

    def images(self, directory: Path) -> Resident:
        """Its images; normalised by the whole dataset's mean and deviation."""
        whole = load(self.dataset, directory)
        assert isinstance(whole, Resident)
        return replace(
            whole,
            facts=replace(whole.facts, train=self.train, test=self.test),
            train_images=whole.train_images[: self.train],
            train_labels=whole.train_labels[: self.train],
            test_images=whole.test_images[: self.test],
            test_labels=whole.test_labels[: self.test],
        )


EXPERIMENTS = (
    # The rate drops towards the end: at the preset's constant one the last epoch is up to a point off the one before.
    Experiment(
        "mlp_2",
        "fashion_mnist",
        60_000,
        10_000,
        "mlp",
        (("length", "10ep"), ("milestones", ("7ep", "9ep"))),
    ),
    # 24 steps an epoch: the rate drops after one half and three quarters, as in the preset.
    Experiment(
        "cifar_resnet_20",
        "cifar10",
        3_000,
        2_000,
        "cifar_resnet",
        (("length", "10ep"), ("milestones", ("120it", "180it"))),
    ),
)


@dataclass(frozen=True)
class Training:
    """One training: an experiment by one loop (the reference, or a mode of ours) from one seed."""

    experiment: Experiment
    loop: str
    seed: int

    @property
    def key(self) -> str:
        """The same text for the same training, and for no other."""
        return json.dumps(asdict(self), sort_keys=True)


def accuracy(training: Training, directory: Path) -> float:
    """Test accuracy after the last step."""
    experiment = training.experiment
    dataset, recipe = experiment.images(directory), experiment.recipe
    network = architecture(experiment.network, dataset.facts.input, dataset.facts.classes)
    weights, masks = start(network, recipe, training.seed)
    if training.loop != REFERENCE:
        replicate = Replicate(training.seed, TrainingState.fresh(weights, masks), Follower())
        (ours,) = train(network, dataset, recipe, [replicate], mode=MODES[training.loop])
        return ours.last.accuracy
    torch.manual_seed(training.seed)
    reference = Reference(network, dataset, recipe, weights=weights, masks=masks)
    for _ in range(int(recipe.length.removesuffix("ep"))):
        reference.train_epoch()
        found = reference.evaluate()
    return found.accuracy
