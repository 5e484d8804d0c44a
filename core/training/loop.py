"""Trainings of masked networks, from any step of the schedule, resumable; in exact mode bit for bit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import torch

from core.datasets import Batches, Dataset
from core.families.architecture import Architecture
from core.jobs.recipes import Recipe, steps
from core.pruning.evolution import Evolution
from core.training.checkpoint import Arrays, EpochRecord, Slots, TrainingState
from core.training.engine import at_once, engine_for
from core.training.evaluation import evaluate
from core.training.exactness import arithmetic
from core.training.fingerprint import Fingerprint, fingerprint
from core.training.mode import Mode
from core.training.network import memory_format
from core.training.ranks import ALONE, Ranks
from core.training.schedule import learning_rate
from core.training.speed import Speed, Speedometer


class Observer(Protocol):
    """Whoever follows a training. Any method may raise to end it."""

    def step(self, step: int, total: int) -> None:
        """`step` of `total` steps of the schedule are done. Called after every one, so it must be cheap."""

    def epoch(self, record: EpochRecord) -> None:
        """An epoch has ended and was evaluated."""

    def checkpoint_due(self) -> bool:
        """Whether to hand over a state now; asked after every step."""

    def checkpoint(self, state: TrainingState) -> None:
        """The state after the last step: resumed from it, an exact training ends in the same bits."""


class Diverged(ArithmeticError):
    """The training or the test loss is no longer a finite number."""


@dataclass(frozen=True)
class Replicate:
    """One of several trainings of the same kind.

    `seed` draws data order and augmentation. `state` is where it starts, or goes on: it alone says at which step, and
    with what weights and masks. `evolution`: how the masks change on the way, if they do.
    """

    seed: int
    state: TrainingState
    observer: Observer
    evolution: Evolution | None = None


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    `weights`: all parameters and buffers after the last step; `steps`: the step of the schedule at which it ended;
    `seconds`: over all attempts, its share where several were trained at once; `speed`: how fast that went;
    `fingerprint`: what this attempt computed with; `masks`: those after the last step, None where they are as they were
    before the first; `slots`: what the optimiser remembers, where this process trained; `last`: what was measured after
    the last step, the headline; `best`: the epoch of the highest test accuracy, the earliest of equals, and so
    selected on the test images; `weights_digest`: the artifact that the weights are, where this job has stored them.
    """

    weights: Arrays
    history: tuple[EpochRecord, ...]
    steps: int
    seconds: float
    speed: Speed
    fingerprint: Fingerprint
    masks: Arrays | None = None
    slots: Slots = field(default_factory=dict)
    weights_digest: str | None = None

    @property
    def last(self) -> EpochRecord:
        return self.history[-1]

    @property
    def best(self) -> EpochRecord:
        return max(self.history, key=lambda record: record.correct)

    def going_on(self, masks: Arrays) -> TrainingState:
        """The state from which it goes on to a later step as if it had never ended."""
        return TrainingState(
            step=self.steps,
            weights=self.weights,
            masks=masks,
            slots=self.slots,
            history=self.history,
            loss_sum=0.0,
            seen=0,
            seconds=self.seconds,
            speed=self.speed,
        )


def train(
    architecture: Architecture,
    dataset: Dataset,
    recipe: Recipe,
    replicates: Sequence[Replicate],
    *,
    mode: Mode,
    end_step: int | None = None,
    device: torch.device | str = "cpu",
    ranks: Ranks = ALONE,
) -> list[Trained]:
    """Train every replicate from its state's step to the recipe's end, or to `end_step`.

    Several ranks do this together: each is given the same, and each observes the same and ends with the same.

    Those that are at the same step are trained as one computation where the network allows it, else one after the
    other. Resumed at its end, a training is only read back.

    Raises `Diverged` at the end of an epoch whose loss is not finite, `ValueError` where a training would start at
    its end or past it.
    """
    evolving = any(replicate.evolution for replicate in replicates)
    trained: dict[int, Trained] = {}
    with arithmetic(mode.exact):
        for numbers in _groups(replicates, at_once(architecture, mode.exact, ranks, evolving=evolving)):
            members = [replicates[number] for number in numbers]
            training = _Training(
                architecture, dataset, recipe, members, mode, end_step, torch.device(device), ranks
            )
            trained |= zip(numbers, training.run(), strict=True)
    return [trained[number] for number in range(len(replicates))]


def _groups(replicates: Sequence[Replicate], most: int) -> Iterator[list[int]]:
    """Which of them are trained at once: those at one step, at most so many."""
    of_step: dict[int, list[int]] = {}
    for number, replicate in enumerate(replicates):
        of_step.setdefault(replicate.state.step, []).append(number)
    for numbers in of_step.values():
        for start in range(0, len(numbers), most):
            yield numbers[start : start + most]


def batches_of(
    architecture: Architecture, dataset: Dataset, recipe: Recipe, seed: int, device: torch.device, mode: Mode
) -> Batches:
    """The batches that a training under `seed` sees, in the layout and the precision that its network computes in."""
    return dataset.batches(
        batch=recipe.batch,
        seed=seed,
        augment=recipe.augment,
        device=device,
        memory_format=memory_format(architecture),
        dtype=mode.dtype,
    )


class _Training:
    """Replicates at one step, at work: their states as modules and tensors on a device."""

    def __init__(
        self,
        architecture: Architecture,
        dataset: Dataset,
        recipe: Recipe,
        replicates: Sequence[Replicate],
        mode: Mode,
        end_step: int | None,
        device: torch.device,
        ranks: Ranks,
    ) -> None:
        states = [replicate.state for replicate in replicates]
        self.engine = engine_for(architecture, recipe, states, device, mode, ranks, replicates[0].evolution)
        self.batches = [
            batches_of(architecture, dataset, recipe, replicate.seed, device, mode)
            for replicate in replicates
        ]
        self.test_batches = dataset.test_batches(device, memory_format(architecture))

        self.recipe = recipe
        self.ranks = ranks
        self.replicates = replicates
        self.per_epoch = self.batches[0].steps_per_epoch
        self.total = steps(recipe.length, self.per_epoch) if end_step is None else end_step
        self.step = states[0].step
        self.histories = [list(state.history) for state in states]
        self.loss_sums = torch.tensor(
            [state.loss_sum for state in states], dtype=torch.float64, device=device
        )
        self.seen = states[0].seen
        self.fingerprint = fingerprint(device, mode, ranks.size)
        self.speedometer = Speedometer(device, mode, len(replicates), states[0].speed)
        # Each replicate's share of the time, as if they had been trained one after the other.
        self.seconds = [state.seconds for state in states]

    def run(self) -> list[Trained]:
        if not self.histories[0] and self.step >= self.total:
            raise ValueError(f"a training of {self.total} steps cannot start at step {self.step}")
        while self.step < self.total:
            self._step()
            for replicate in self.replicates:
                replicate.observer.step(self.step, self.total)
            if self.step % self.per_epoch == 0 or self.step == self.total:
                self._end_epoch()
            if self.replicates[0].observer.checkpoint_due():
                for replicate, state in zip(self.replicates, self._states(), strict=True):
                    replicate.observer.checkpoint(state)
        return self._trained()

    def _step(self) -> None:
        clock = self.speedometer.clock
        clock.begin(self.step)
        images, labels = zip(*(batches.at(self.step) for batches in self.batches), strict=True)
        count = len(labels[0])
        losses = self.engine.step(images, labels, self.step, self._rate(self.step), clock)
        self.loss_sums.add_(losses, alpha=count)
        self.seen += count
        self.speedometer.saw(count * len(labels))
        self.step += 1

    def _rate(self, step: int) -> float:
        return learning_rate(self.recipe, step, self.per_epoch)

    def _end_epoch(self) -> None:
        """Evaluate, and look at the losses: the one synchronisation with the device per epoch.

        The headline, after the last step, is what an evaluation of the weights by anyone else finds.
        """
        train_losses = (self.loss_sums / self.seen).tolist()
        for loss in train_losses:
            if not math.isfinite(loss):
                raise Diverged(f"the training loss is {loss} after step {self.step}")
        with self.speedometer.evaluating():
            logits = partial(self.engine.logits, precisely=self.step == self.total)
            tested = evaluate(logits, self.test_batches, self.ranks)
        for found in tested:
            if not math.isfinite(found.loss):
                raise Diverged(f"the test loss is {found.loss} after step {self.step}")
        for replicate, history, train_loss, found in zip(
            self.replicates, self.histories, train_losses, tested, strict=True
        ):
            record = EpochRecord(
                epoch=-(-self.step // self.per_epoch),
                step=self.step,
                learning_rate=self._rate(self.step - 1),
                train_loss=train_loss,
                test_loss=found.loss,
                correct=found.correct,
                total=found.total,
            )
            history.append(record)
            replicate.observer.epoch(record)
        self.loss_sums.zero_()
        self.seen = 0

    def _shares(self) -> list[float]:
        share = self.speedometer.seconds / len(self.replicates)
        return [seconds + share for seconds in self.seconds]

    def _states(self) -> list[TrainingState]:
        speed = self.speedometer.reading()
        parts = zip(
            self.engine.weights(),
            self.engine.masks(),
            self.engine.slots(),
            self.histories,
            self.loss_sums.tolist(),
            self._shares(),
            strict=True,
        )
        return [
            TrainingState(
                step=self.step,
                weights=weights,
                masks=masks,
                slots=slots,
                history=tuple(history),
                loss_sum=loss_sum,
                seen=self.seen,
                seconds=seconds,
                speed=speed,
            )
            for weights, masks, slots, history, loss_sum, seconds in parts
        ]

    def _trained(self) -> list[Trained]:
        speed = self.speedometer.reading()
        evolved = self.engine.masks() if self.replicates[0].evolution else [None] * len(self.replicates)
        parts = zip(
            self.engine.weights(), self.histories, self._shares(), evolved, self.engine.slots(), strict=True
        )
        return [
            Trained(weights, tuple(history), self.step, seconds, speed, self.fingerprint, masks, slots)
            for weights, history, seconds, masks, slots in parts
        ]
