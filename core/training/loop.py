"""One training of a masked network, from any step of the schedule, resumable bit for bit."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from core.datasets import Dataset
from core.families.architecture import Architecture
from core.jobs.recipes import Recipe, steps
from core.models import build
from core.models.state import load_state
from core.models.state import state as arrays_of
from core.training.checkpoint import EpochRecord, TrainingState
from core.training.evaluation import evaluate
from core.training.exactness import arithmetic
from core.training.masking import Masking
from core.training.optimizers import optimizer_of, restore, set_rate, slots_of
from core.training.schedule import learning_rate

Arrays = Mapping[str, np.ndarray]


class Observer(Protocol):
    """Whoever follows a training. Any method may raise to end it."""

    def step(self, step: int, total: int) -> None:
        """`step` of `total` steps of the schedule are done. Called after every one, so it must be cheap."""

    def epoch(self, record: EpochRecord) -> None:
        """An epoch has ended and was evaluated."""

    def checkpoint_due(self) -> bool:
        """Whether to hand over a state now; asked after every step."""

    def checkpoint(self, state: TrainingState) -> None:
        """The state after the last step: resumed from it, the training ends in the same bits."""


class Diverged(ArithmeticError):
    """The training or the test loss is no longer a finite number."""


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    `weights`: all parameters and buffers after the last step; `steps`: the step of the schedule at which it ended;
    `seconds`: over all attempts; `last`: what was measured after the last step, the headline; `best`: the epoch of
    the highest test accuracy, the earliest of equals, and so selected on the test images.
    """

    weights: Arrays
    history: tuple[EpochRecord, ...]
    steps: int
    seconds: float

    @property
    def last(self) -> EpochRecord:
        return self.history[-1]

    @property
    def best(self) -> EpochRecord:
        return max(self.history, key=lambda record: record.correct)


def train(
    architecture: Architecture,
    dataset: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    weights: Arrays,
    masks: Arrays,
    observer: Observer,
    start_step: int = 0,
    end_step: int | None = None,
    state: TrainingState | None = None,
    device: torch.device | str = "cpu",
    exact: bool = True,
) -> Trained:
    """Train with a fresh optimiser from `start_step` of schedule and data order to the recipe's end, or to `end_step`.

    `seed` draws data order and augmentation. `weights` are those to start from, `masks` those of the prunable
    tensors (a tensor without one stays dense). `state` resumes: then it alone says where, and with what
    weights and masks; resumed at its end, a training is only read back.

    Raises `Diverged` at the end of an epoch whose loss is not finite, `ValueError` where `start_step` is at the end
    or past it.
    """
    with arithmetic(exact):
        training = _Training(
            architecture,
            dataset,
            recipe,
            seed=seed,
            end_step=end_step,
            state=state or _initial(weights, masks, start_step),
            device=torch.device(device),
        )
        return training.run(observer)


def _initial(weights: Arrays, masks: Arrays, step: int) -> TrainingState:
    return TrainingState(step, weights, masks=masks, slots={}, history=(), loss_sum=0.0, seen=0, seconds=0.0)


class _Training:
    """A `TrainingState` at work: the same things as modules and tensors on a device."""

    def __init__(
        self,
        architecture: Architecture,
        dataset: Dataset,
        recipe: Recipe,
        *,
        seed: int,
        end_step: int | None,
        state: TrainingState,
        device: torch.device,
    ) -> None:
        convolutional = any(len(spec.shape) == 4 for spec in architecture.tensors)
        # oneDNN and cuDNN convolve NHWC without reordering: 1.4 times faster for a ResNet-20 step on a CPU.
        memory_format = torch.channels_last if convolutional else torch.contiguous_format
        self.model: nn.Module = build(architecture)
        load_state(self.model, state.weights)
        self.model.to(device, memory_format=memory_format).train()  # type: ignore[call-overload]
        self.masking = Masking(self.model, state.masks)
        self.masking.prune_weights()
        self.optimizer = optimizer_of(recipe, architecture, self.model)
        restore(self.optimizer, self.model, state.slots)

        self.batches = dataset.batches(
            batch=recipe.batch,
            seed=seed,
            augment=recipe.augment,
            device=device,
            memory_format=memory_format,
        )
        self.test_batches = dataset.test_batches(device, memory_format)

        self.recipe = recipe
        self.total = steps(recipe.length, self.batches.steps_per_epoch) if end_step is None else end_step
        self.begun = time.perf_counter() - state.seconds
        self.step = state.step
        self.masks = state.masks
        self.history = list(state.history)
        self.loss_sum = torch.tensor(state.loss_sum, dtype=torch.float64, device=device)
        self.seen = state.seen

    def run(self, observer: Observer) -> Trained:
        if not self.history and self.step >= self.total:
            raise ValueError(f"a training of {self.total} steps cannot start at step {self.step}")
        while self.step < self.total:
            self._step()
            observer.step(self.step, self.total)
            if self.step % self.batches.steps_per_epoch == 0 or self.step == self.total:
                observer.epoch(self._end_epoch())
            if observer.checkpoint_due():
                observer.checkpoint(self._state())
        return self._trained()

    def _step(self) -> None:
        images, labels = self.batches.at(self.step)
        rate = learning_rate(self.recipe, self.step, self.batches.steps_per_epoch)
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(images), labels, label_smoothing=self.recipe.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        self.masking.prune_gradients()
        self.optimizer.step()
        self.loss_sum.add_(loss.detach(), alpha=len(labels))
        self.seen += len(labels)
        self.step += 1

    def _end_epoch(self) -> EpochRecord:
        """Evaluate, and look at the loss: the one synchronisation with the device per epoch."""
        train_loss = float(self.loss_sum) / self.seen
        if not math.isfinite(train_loss):
            raise Diverged(f"the training loss is {train_loss} after step {self.step}")
        tested = evaluate(self.model, self.test_batches)
        if not math.isfinite(tested.loss):
            raise Diverged(f"the test loss is {tested.loss} after step {self.step}")
        record = EpochRecord(
            epoch=-(-self.step // self.batches.steps_per_epoch),
            step=self.step,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            train_loss=train_loss,
            test_loss=tested.loss,
            correct=tested.correct,
            total=tested.total,
        )
        self.history.append(record)
        self.loss_sum.zero_()
        self.seen = 0
        return record

    def _state(self) -> TrainingState:
        return TrainingState(
            step=self.step,
            weights=arrays_of(self.model),
            masks=self.masks,
            slots=slots_of(self.optimizer, self.model),
            history=tuple(self.history),
            loss_sum=float(self.loss_sum),
            seen=self.seen,
            seconds=time.perf_counter() - self.begun,
        )

    def _trained(self) -> Trained:
        return Trained(
            weights=arrays_of(self.model),
            history=tuple(self.history),
            steps=self.step,
            seconds=time.perf_counter() - self.begun,
        )
