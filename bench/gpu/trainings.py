"""One dense training and iterative magnitude pruning with rewinding, per seed, resumable at any step."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bench.gpu.report import Report
from bench.gpu.slices import OutOfTime, Slice
from bench.gpu.store import Store
from core.datasets import Resident
from core.families.architecture import Architecture
from core.jobs.recipes import Recipe, steps, steps_per_epoch
from core.models.initial import initial
from core.pruning.magnitude import prune
from core.tickets import Ticket
from core.training.checkpoint import Arrays, EpochRecord, TrainingState
from core.training.loop import Replicate, Trained, train
from core.training.mode import EXACT, Mode
from core.training.tuning import Tuner, Work

FRACTION = 0.2
"""Of the survivors, pruned from one level to the next."""

Masks = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Plan:
    """What is to be trained: each seed once without a break, then through all levels from its rewind point on."""

    network: Architecture
    dataset: Resident
    recipe: Recipe
    seeds: Sequence[int]
    levels: int
    exact: bool

    @property
    def names(self) -> list[str]:
        """Every training, in the order in which they are done."""
        return [name for seed in self.seeds for name in (dense(seed), rewind(seed), *self.of_levels(seed))]

    def of_levels(self, seed: int) -> list[str]:
        """The trainings of a seed's levels, 0 included."""
        return [f"seed-{seed}-level-{level:02}" for level in range(self.levels + 1)]


def dense(seed: int) -> str:
    """The name of the training without a break."""
    return f"seed-{seed}-dense"


def rewind(seed: int) -> str:
    """The name of the training to the rewind point."""
    return f"seed-{seed}-rewind"


class Trainings:
    """Goes on with a plan for the length of a slice; what is finished is entered into the report, by name."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        report: Report,
        device: torch.device,
        spent: Slice,
        interval: float = 30.0,
    ) -> None:
        self._plan, self._store, self._report = plan, store, report
        self._device, self._slice, self._interval = device, spent, interval
        self._begun = False
        self._tuner = Tuner(store.folder / "modes", device)
        per_epoch = steps_per_epoch(plan.dataset.facts.train, plan.recipe.batch)
        self._rewind_step = steps(plan.recipe.rewind, per_epoch)
        self._end = steps(plan.recipe.length, per_epoch)

    def run(self) -> None:
        """Raises `OutOfTime` where the slice ends first."""
        for seed in self._plan.seeds:
            self._seed(seed)

    def _seed(self, seed: int) -> None:
        """θ_0 → dense; θ_0 → θ_k; then per level θ_k under the mask → end → the next level's mask."""
        plan, k = self._plan, self._rewind_step
        masks: Masks = {spec.name: np.ones(spec.shape, bool) for spec in plan.network.prunable}
        theta_0 = initial(plan.network, seed)
        self._trained(dense(seed), seed, TrainingState.fresh(theta_0, masks), self._end)
        theta_k = self._trained(rewind(seed), seed, TrainingState.fresh(theta_0, masks), k)
        for name in plan.of_levels(seed):
            weights = self._trained(name, seed, TrainingState.fresh(theta_k, masks, k), self._end)
            masks = prune(weights, masks, FRACTION, plan.recipe.dense)

    def _trained(self, name: str, seed: int, start: TrainingState, end: int) -> Arrays:
        """The weights that a training ends with: read back, or trained from its latest state."""
        if name in self._report.trainings:
            ticket = self._store.finished(name, self._report.trainings[name]["ticket"])
            if ticket is not None:
                return ticket.weights()
            del self._report.trainings[name]
        # A slice takes at least one step, however short it is: repeated, it comes to an end.
        if self._begun and self._slice.over:
            raise OutOfTime
        self._begun = True
        state = self._store.state(name) or start
        replicate = Replicate(seed, state, _Follower(self._store, name, self._slice, self._interval))
        plan, mode = self._plan, self._mode(replicate, end)
        self._report.works_on(name, str(mode))
        (trained,) = train(
            plan.network,
            plan.dataset,
            plan.recipe,
            [replicate],
            mode=mode,
            end_step=end,
            device=self._device,
        )
        self._enter(name, start, trained)
        return trained.weights

    def _mode(self, replicate: Replicate, end: int) -> Mode:
        if self._plan.exact:
            return EXACT
        plan, to_go = self._plan, end - replicate.state.step
        return self._tuner.mode(Work(plan.network, plan.dataset, plan.recipe, [replicate], to_go))

    def _enter(self, name: str, start: TrainingState, trained: Trained) -> None:
        ticket = Ticket.from_dense(self._plan.network, trained.steps, start.masks, trained.weights)
        best = trained.best
        self._report.trainings[name] = {
            "ticket": self._store.finish(name, ticket),
            "start_step": start.step,
            "steps": trained.steps,
            "sparsity": ticket.sparsity,
            "accuracy": trained.last.accuracy,
            "best_accuracy": best.accuracy,
            "best_epoch": best.epoch,
            "accuracies": [record.accuracy for record in trained.history],
            "train_losses": [record.train_loss for record in trained.history],
            "seconds": trained.seconds,
        }
        self._report.write()
        self._store.forget_states(name)


class _Follower:
    """A training's observer: saves its state now and then and when the slice ends, and ends it then."""

    def __init__(self, store: Store, name: str, spent: Slice, interval: float) -> None:
        self._store, self._name, self._slice, self._interval = store, name, spent, interval
        self._saved = time.monotonic()
        self._ended = False

    def step(self, step: int, total: int) -> None:
        self._ended = step == total

    def epoch(self, record: EpochRecord) -> None:
        print(f"{self._name}: epoch {record.epoch}, {record.accuracy:.2%}", flush=True)

    def checkpoint_due(self) -> bool:
        return not self._ended and (self._slice.over or time.monotonic() - self._saved >= self._interval)

    def checkpoint(self, state: TrainingState) -> None:
        self._store.save(self._name, state)
        self._saved = time.monotonic()
        if self._slice.over:
            raise OutOfTime
