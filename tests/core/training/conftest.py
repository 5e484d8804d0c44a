from __future__ import annotations

import dataclasses
import hashlib
import multiprocessing
import os
import socket
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.datasets import Dataset, Resident, load
from core.datasets.splits import Splits
from core.families import architecture
from core.families.architecture import Architecture
from core.families.initialisation import initialise
from core.jobs.datasets import DATASETS
from core.jobs.recipes import Recipe
from core.pruning.random import random_mask
from core.training.checkpoint import EpochRecord, TrainingState
from core.training.loop import Trained
from core.training.ranks import Ranks, Statistics, joined


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def photographs() -> Dataset:
    """Forty-four 3×8×8 images in three classes, each class with a colour of its own; crops and flips apply."""
    facts = dataclasses.replace(
        DATASETS["cifar10"], name="photographs", input=(3, 8, 8), classes=3, train=44, test=17
    )
    rng = np.random.default_rng(0)

    def split(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, 3, count)
        images = rng.integers(0, 160, (count, 3, 8, 8), dtype=np.uint8)
        images[np.arange(count), labels] += 90
        return images, labels

    return Resident.of(facts, Splits(*split(44), *split(17)))


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load("digits", tmp_path_factory.mktemp("datasets"))


@pytest.fixture(scope="session")
def resnet() -> Architecture:
    return architecture("cifar_resnet_8_4", (3, 8, 8), 3)


@pytest.fixture
def recipe() -> Recipe:
    """Everything at once: 6 steps per epoch, the last of 4 images; 20 steps end inside the fourth epoch."""
    return Recipe(
        length="20it",
        batch=8,
        lr=0.05,
        momentum=0.9,
        weight_decay=1e-3,
        milestones=("2ep", "17it"),
        warmup="3it",
        rewind="4it",
        augment=True,
    )


class Start:
    """Initial weights, and random masks at density 0.3."""

    def __init__(self, network: Architecture, dense: tuple[str, ...] = ()) -> None:
        self.weights = initialise(network, 1)
        shapes = {spec.name: spec.shape for spec in network.prunable}
        self.masks = random_mask(shapes, int(0.3 * network.prunable_weights), 2, dense)


@pytest.fixture
def start(resnet: Architecture) -> Start:
    return Start(resnet)


@pytest.fixture
def make_start() -> type[Start]:
    return Start


class Recorder:
    """Keeps what it is told; asks for a state after each of the given steps, or after all."""

    def __init__(self, at: set[int] | None = None) -> None:
        self.at = at
        self.steps: list[tuple[int, int]] = []
        self.records: list[EpochRecord] = []
        self.states: list[TrainingState] = []

    def step(self, step: int, total: int) -> None:
        self.steps.append((step, total))

    def epoch(self, record: EpochRecord) -> None:
        self.records.append(record)

    def checkpoint_due(self) -> bool:
        return self.at is None or self.steps[-1][0] in self.at

    def checkpoint(self, state: TrainingState) -> None:
        self.states.append(state)


@pytest.fixture
def recorder() -> type[Recorder]:
    return Recorder


def _digest(arrays: Mapping[str, Any]) -> str:
    total = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        total.update(f"{name} {array.dtype} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


@pytest.fixture
def digest() -> Any:
    return _digest


@pytest.fixture
def checkpoint_path(tmp_path: Path) -> Path:
    return tmp_path / "state.safetensors"


class RankFailed(Exception):
    """What a rank raised, in words."""


@pytest.fixture
def on_ranks() -> Callable[..., list[Any]]:
    """Runs a function of `Ranks` on several processes that exchange by gloo; what it returned on each."""

    def on_ranks(size: int, work: Callable[[Ranks], Any], batch_norm: Statistics = "global") -> list[Any]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        context = multiprocessing.get_context("fork")

        def rank(number: int, answers: Connection) -> None:
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
            os.environ |= {"RANK": str(number), "WORLD_SIZE": str(size)}
            try:
                with joined("gloo") as ranks:
                    answers.send(work(dataclasses.replace(ranks, batch_norm=batch_norm)))
            except Exception as error:
                answers.send(RankFailed(f"{type(error).__name__}: {error}"))

        pipes = [context.Pipe(duplex=False) for _ in range(size)]
        processes = [
            context.Process(target=rank, args=(number, theirs)) for number, (_, theirs) in enumerate(pipes)
        ]
        for process, (_, theirs) in zip(processes, pipes, strict=True):
            process.start()
            theirs.close()
        found = [ours.recv() for ours, _ in pipes]
        for process in processes:
            process.join()
        for answer in found:
            if isinstance(answer, RankFailed):
                raise answer
        return found

    return on_ranks


@pytest.fixture
def run(resnet: Architecture, photographs: Dataset, recipe: Recipe, start: Any, train_alone: Any) -> Any:
    """Trains with everything given, unless overridden."""

    def run(observer: Any, **changes: Any) -> Trained:
        arguments = {
            "seed": 5,
            "weights": start.weights,
            "masks": start.masks,
            "observer": observer,
            **changes,
        }
        return train_alone(resnet, photographs, arguments.pop("recipe", recipe), **arguments)

    return run


VARIANTS = {
    "momentum": {},
    "nesterov, weights decay": {"nesterov": True, "decay": "weights", "weight_decay": 0.1},
    "plain, smoothed": {"momentum": 0.0, "label_smoothing": 0.2},
    "cosine": {"schedule": "cosine", "milestones": ()},
    "adam": {"optimizer": "adam", "momentum": 0.0, "lr": 0.002},
    "adam, weights decay": {"optimizer": "adam", "momentum": 0.0, "lr": 0.002, "decay": "weights"},
}


@pytest.fixture(params=list(VARIANTS))
def variant(request: pytest.FixtureRequest, recipe: Recipe) -> Recipe:
    return Recipe.model_validate(recipe.model_dump() | VARIANTS[request.param])
