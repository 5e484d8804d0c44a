"""The loops that are compared on a GPU, each in a process of its own that trains for a window whenever it is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import ClassVar

import torch
from torch import nn
from torch.utils.data import DataLoader

from bench.cases import CASES, Case, start
from bench.reference import Images, Masked
from core.jobs.recipes import steps_per_epoch
from core.models import build
from core.models.state import load_state
from core.training.checkpoint import EpochRecord, TrainingState
from core.training.loop import Replicate, train
from core.training.mode import EXACT, Mode, fast_modes


@dataclass(frozen=True)
class Subject:
    """What every loop trains: a network under a mask of level 10, on so many random images.

    A window takes about `seconds`. Before the first one there are `warm_up` steps, in which compilation, capture and
    cuDNN's choices end and every loader comes to work, and half as many to see how long a step takes.
    """

    network: str = "cifar_resnet_20"
    images: int = 50_000
    seconds: float = 3.0
    warm_up: int = 30

    @property
    def case(self) -> Case:
        """As the other benchmarks have it."""
        return replace(CASES["cifar_resnet_20"], network=self.network)


@dataclass(frozen=True)
class Ours:
    """The product's loop in one mode."""

    mode: Mode

    def __str__(self) -> str:
        return f"ours, {self.mode}"

    def run(self, subject: Subject, device: torch.device, watch: Stopwatch) -> None:
        """Train until the watch ends it."""
        case = subject.case
        weights, masks = start(case.architecture, case.recipe, 0)
        dataset = case.random_images(subject.images)
        replicate = Replicate(0, TrainingState.fresh(weights, masks), watch)
        watch.epoch_images = subject.images
        train(case.architecture, dataset, case.recipe, [replicate], mode=self.mode, device=device)


@dataclass(frozen=True)
class Plain:
    """The reference loop: float32, autograd, torch's own SGD, and so many processes that load images."""

    NAME: ClassVar[str] = "reference"

    loaders: int

    def __str__(self) -> str:
        return f"{self.NAME}, {self.loaders} loader{'s' * (self.loaders > 1)}"

    def run(self, subject: Subject, device: torch.device, watch: Stopwatch) -> None:
        """Train until the watch ends it."""
        case, recipe = subject.case, subject.case.recipe
        weights, masks = start(case.architecture, recipe, 0)
        dataset = case.random_images(subject.images)
        network = build(case.architecture)
        load_state(network, weights)
        with device:  # its masks belong beside its weights
            model = Masked(network.to(device), masks).train()
        optimizer = torch.optim.SGD(
            model.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        loader = DataLoader(
            Images(dataset.train_images, dataset.train_labels, dataset, augment=True),
            recipe.batch,
            shuffle=True,
            num_workers=self.loaders,
            persistent_workers=self.loaders > 0,
            pin_memory=device.type == "cuda",
        )
        # What the loaders have ready when a window is announced is no part of it.
        watch.lead = 2 * self.loaders + 1
        while True:
            for images, labels in loader:
                optimizer.zero_grad()
                logits = model(images.to(device, non_blocking=True))
                loss = nn.functional.cross_entropy(logits, labels.to(device, non_blocking=True))
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                watch.count(len(labels))


Loop = Ours | Plain


def loops(device: torch.device, cores: int) -> list[Loop]:
    """Every mode that can be tried, each also compiled; exact; the reference with several numbers of loaders."""
    modes = fast_modes(device)
    modes = [*modes, *(replace(mode, compiled=True) for mode in modes), EXACT]
    numbers = sorted({max(1, cores // 4), max(1, cores // 2), cores})
    return [*(Ours(mode) for mode in modes), *(Plain(number) for number in numbers)]


class _Over(Exception):
    """Nobody asks for another window."""


class Stopwatch:
    """Times windows of a loop's steps on command, and is the observer of ours.

    It answers the end of the warm-up with the number of steps in a window, and every command with images per second.
    Between windows the loop stands still in its last step. What lies between `step` at an epoch's end and `epoch`,
    an evaluation, is not counted.
    """

    def __init__(self, connection: Connection, device: torch.device, subject: Subject) -> None:
        self.lead = 1
        self.epoch_images = 0
        self._connection, self._device, self._subject = connection, device, subject
        self._batch = subject.case.recipe.batch
        self._images = 0
        self._paused_at = 0.0
        self._paused = 0.0
        self._script = self._windows()
        next(self._script)

    def count(self, images: int) -> None:
        """A step on so many images was taken."""
        self._images += images
        next(self._script)

    def step(self, step: int, total: int) -> None:
        steps = steps_per_epoch(self.epoch_images, self._batch)
        unseen = self.epoch_images - (step - 1) % steps * self._batch
        self.count(min(self._batch, unseen))
        if unseen <= self._batch:
            self._paused_at = self._now()

    def epoch(self, record: EpochRecord) -> None:
        self._paused += self._now() - self._paused_at

    def checkpoint_due(self) -> bool:
        return False

    def checkpoint(self, state: TrainingState) -> None: ...

    def _windows(self) -> Iterator[None]:
        """Goes on by one `yield` with every step."""
        for _ in range(self._subject.warm_up):
            yield
        began, tried = self._now(), self._subject.warm_up // 2
        for _ in range(tried):
            yield
        steps = max(1, round(tried * self._subject.seconds / (self._now() - began)))
        self._connection.send(("ready", steps))
        while True:
            self._await_command()
            for _ in range(self.lead):
                yield
            began, images = self._now(), self._images
            for _ in range(steps):
                yield
            self._connection.send(("window", (self._images - images) / (self._now() - began)))

    def _await_command(self) -> None:
        try:
            self._connection.recv()
        except EOFError:
            raise _Over from None

    def _now(self) -> float:
        """Seconds, without evaluations, when the device has done what it was told."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter() - self._paused


def serve(connection: Connection, loop: Loop, subject: Subject, device: torch.device) -> None:
    """A contender's process: train, a window per command, until the other end is closed."""
    try:
        loop.run(subject, device, Stopwatch(connection, device, subject))
    except (_Over, BrokenPipeError):
        return
    except Exception as error:  # a compiler or a driver can fail in any way; the others go on
        connection.send(("failed", f"{type(error).__name__}: {error}"))
