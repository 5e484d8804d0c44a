"""What an experiment works with: its inputs, a store for what it makes, and trainings that survive a crash."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from core.datasets import Dataset, load
from core.experiments.architectures import describer
from core.experiments.cost import cost
from core.experiments.identity import training_key
from core.experiments.shared import SharedTraining
from core.families.architecture import Architecture
from core.families.definition import Definition
from core.jobs.inputs import Inputs
from core.jobs.outcome import Outcome, ProducedTicket, ResultRecord, RunRecord
from core.jobs.recipes import Recipe, steps, steps_per_epoch
from core.pruning.evolution import Evolution
from core.tickets import Metadata, Ticket, TicketFile, read, write
from core.tickets.weights import read_weights, write_weights
from core.training.checkpoint import EpochRecord, TrainingState
from core.training.engine import at_once
from core.training.fingerprint import fingerprint
from core.training.loop import Replicate, Trained, train
from core.training.mode import EXACT, fast_modes
from core.training.ranks import ALONE, Ranks
from core.training.tuning import Tuner, Work

log = logging.getLogger(__name__)
_BLOCK = 1 << 20

Arrays = Mapping[str, NDArray[Any]]
Thing = TypeVar("Thing")


class Journal(Protocol):
    """Where a trainer's progress goes: to its supervisor, and to the stores both can see."""

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Tell the job's watchers something."""

    def progress(self, done: int, total: int, doing: str) -> None:
        """A step was taken: tell how far the job is, in training steps; cheap enough for every step."""

    def states(self, training: str) -> Iterable[TrainingState]:
        """Saved states of a training, the latest first; damaged ones are left out."""

    def due(self) -> bool:
        """Whether it is time for another checkpoint."""

    def save(self, training: str, state: TrainingState, complete: bool) -> None:
        """Make a state durable; `complete` marks the end of its training."""

    def store(self, write: Callable[[BinaryIO], object]) -> str:
        """Write an artifact and return its digest."""

    def sharing(self, key: str, wait: bool) -> AbstractContextManager[SharedTraining | None]:
        """A training that some job has finished; None where it is this job's turn to do it, and to publish it within.

        `wait`: for another job that is at it. Several at once are entered in the order of their keys, lest two jobs
        wait for each other.
        """

    def publish(self, key: str, training: SharedTraining) -> str | None:
        """Make a finished training known to all jobs; the artifact of its weights, None where they were not stored."""


@dataclass(frozen=True)
class Training:
    """One training: `seed` orders and augments its data, `evolution` changes its masks; the name is unique in the job.

    `after`: what the same training had come to at an earlier step, if it is to go on from there.
    """

    name: str
    seed: int
    weights: Arrays
    masks: Mapping[str, NDArray[np.bool_]]
    evolution: Evolution | None = None
    after: Trained | None = None

    def state(self, start_step: int, saved: TrainingState | None) -> TrainingState:
        """Where to start it, or to go on: at the latest step that is known of it."""
        if self.after is not None and (saved is None or saved.step <= self.after.steps):
            return self.after.going_on(self.masks)
        return saved or TrainingState.fresh(self.weights, self.masks, start_step)


class Lab:
    """One job's workplace. A training is named: after a crash, finished ones are read back and the last resumes."""

    def __init__(
        self,
        journal: Journal,
        inputs: Inputs,
        datasets: Path,
        tuning: Path,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self.journal = journal
        self.inputs = inputs
        self.definitions = [Definition.model_validate(posted) for posted in inputs.definitions]
        self.describe = describer(self.definitions)
        self.outcome = Outcome()
        self.device = device
        self.ranks = ranks
        self._datasets = datasets
        self._loaded: dict[str, Dataset] = {}
        self._tuner = Tuner(tuning, device)
        self._done = 0
        self._total = 0

    def dataset(self, name: str) -> Dataset:
        """A dataset, read into memory when it is first asked for."""
        if name not in self._loaded:
            self._loaded[name] = load(name, self._datasets)
        return self._loaded[name]

    def ticket(self, identity: str) -> TicketFile:
        """One of the job's input tickets, with the provenance that the catalog, not the file, states."""
        given = self.inputs.tickets[identity]
        file = read(given.path)
        origin = {"dataset": given.dataset, "seed": given.seed, "level": given.level}
        return replace(file, metadata=file.metadata.model_copy(update=origin))

    def dense_weights(self, identity: str, step: int) -> Arrays | None:
        """The dense weights that an input ticket's mask was laid over at a step, where they were kept."""
        path = self.inputs.tickets[identity].weights.get(str(step))
        return None if path is None else read_weights(Path(path))

    def expect(self, steps: int) -> None:
        """Say how many training steps the whole job will take."""
        self._total = steps

    def at_once(self, architecture: Architecture, exact: bool, *, evolving: bool = False) -> int:
        """How many trainings of an architecture are worth giving to `train` at once."""
        return at_once(architecture, exact, self.ranks, evolving=evolving)

    def train(
        self,
        trainings: Sequence[Training],
        architecture: Architecture,
        dataset: Dataset,
        recipe: Recipe,
        *,
        start_step: int,
        end_step: int | None = None,
        exact: bool,
        shared: bool = True,
    ) -> list[Trained]:
        """Train each from `start_step` to the recipe's end, or to a step; several small networks at once.

        What this job has finished before, or another job, is read back; what was begun goes on. Not `shared`: other
        jobs' trainings are no concern of these, which go on from their end with what the optimiser remembers.
        """
        if end_step is None:
            end_step = steps(recipe.length, steps_per_epoch(dataset.facts.train, recipe.batch))
        states = self._saved(trainings, end_step)
        done: dict[str, Trained] = {}
        with ExitStack() as turns:
            keys = {
                training.name: training_key(
                    architecture,
                    dataset,
                    recipe,
                    seed=training.seed,
                    weights=training.weights,
                    masks=training.masks,
                    evolution=training.evolution,
                    start_step=start_step,
                    end_step=end_step,
                    shares=self.ranks.size if self.ranks.batch_norm == "local" else 1,
                    fingerprint=fingerprint(self.device, EXACT, self.ranks.size) if exact else None,
                )
                for training in trainings
                if shared
            }
            for name in sorted(keys, key=lambda name: keys[name]):
                # Nobody else's takes the place of what this job has finished: its later trainings began from that.
                if name not in states or states[name].step < end_step:
                    turn = self.journal.sharing(keys[name], wait=name not in states)
                    if (theirs := turns.enter_context(turn)) is not None:
                        done[name] = self._read_back(name, theirs, start_step)
            mine = [training for training in trainings if training.name not in done]
            replicates = [
                Replicate(
                    training.seed,
                    state := training.state(start_step, states.get(training.name)),
                    _Reporter(self, training.name, state.step),
                    training.evolution,
                )
                for training in mine
            ]
            # What earlier attempts did is done, but is no step of this one, whose pace tells the time left.
            self._done += sum(replicate.state.step - start_step for replicate in replicates)
            for training, trained in zip(
                mine, self._trained(architecture, dataset, recipe, replicates, end_step, exact), strict=True
            ):
                if shared:
                    digest = self.journal.publish(keys[training.name], SharedTraining.of(trained))
                    trained = replace(trained, weights_digest=digest)
                done[training.name] = trained
        return [done[training.name] for training in trainings]

    def _trained(
        self,
        architecture: Architecture,
        dataset: Dataset,
        recipe: Recipe,
        replicates: Sequence[Replicate],
        end_step: int,
        exact: bool,
    ) -> list[Trained]:
        left = [end_step - replicate.state.step for replicate in replicates]
        if exact or not any(left):
            mode = EXACT
        elif self.ranks.size > 1:
            # Measured by each, they might disagree; and what they exchange is in no graph, which the first has not.
            mode = self.ranks.told(fast_modes(self.device)[0])
        else:
            mode = self._tuner.mode(Work(architecture, dataset, recipe, replicates, max(left)))
        return train(
            architecture,
            dataset,
            recipe,
            replicates,
            mode=mode,
            end_step=end_step,
            device=self.device,
            ranks=self.ranks,
        )

    def _saved(self, trainings: Sequence[Training], end_step: int) -> dict[str, TrainingState]:
        """By name, the end of what this job has finished; of what it has begun the latest step common to all.

        Trainings that were begun together are saved one after the other, and a crash may come between. No later step
        than `end_step`.
        """
        older = {one.name: iter(self.journal.states(one.name)) for one in trainings}
        latest = {name: next(states, None) for name, states in older.items()}
        found = {name: state for name, state in latest.items() if state and state.step == end_step}
        begun = latest.keys() - found.keys()
        common = min((state.step if (state := latest[name]) else -1 for name in begun), default=-1)
        common = min(common, end_step)
        together: dict[str, TrainingState] = {}
        for name in begun:
            state = latest[name]
            while state is not None and state.step > common:
                state = next(older[name], None)
            if state is None or state.step != common:
                return found
            together[name] = state
        return found | together

    @property
    def goes_on(self) -> bool:
        """Whether steps are to come."""
        return self._done < self._total

    def spare(self, steps: int) -> None:
        """So many of the steps that were expected will not be taken."""
        self._total -= steps

    def remembered(self, name: str) -> Arrays | None:
        """What an earlier attempt of this job noted under a name, which no training has."""
        state = next(iter(self.journal.states(name)), None)
        return None if state is None else state.weights

    def note(self, name: str, arrays: Arrays) -> None:
        """Make arrays durable for later attempts of this job."""
        self.journal.save(name, TrainingState.fresh(arrays, {}), complete=True)

    def advance(self, steps: int, doing: str) -> None:
        """So many steps more are done."""
        self._done += steps
        self.journal.progress(self._done, self._total, doing)

    def _read_back(self, name: str, shared: SharedTraining, start_step: int) -> SharedTraining:
        """Tell what watchers would have seen of a training, whose steps this job need not take."""
        log.info("%s: another job has trained it", name)
        self.spare(shared.steps - start_step)
        for record in shared.history:
            self.journal.event("epoch", {"training": name, **asdict(record)})
        return shared

    def record_run(
        self,
        trained: Trained,
        architecture: Architecture,
        dataset: Dataset,
        *,
        seed: int,
        order_seed: int,
        start_step: int,
        masks: Mapping[str, NDArray[np.bool_]],
        ticket_id: str | None = None,
        level: int | None = None,
    ) -> None:
        """Enter a finished training into the job's outcome: headline accuracy after the last step, best beside it."""
        run = len(self.outcome.runs)
        pruned = sum(mask.size - int(np.count_nonzero(mask)) for mask in masks.values())
        self.outcome.runs.append(
            RunRecord(
                architecture=architecture.name,
                dataset=dataset.name,
                ticket_id=ticket_id,
                seed=seed,
                order_seed=order_seed,
                level=level,
                sparsity=pruned / architecture.prunable_weights,
                start_step=start_step,
                steps=trained.steps - start_step,
                seconds=trained.seconds,
                history=[asdict(record) for record in trained.history],
                fingerprint=asdict(trained.fingerprint),
                weights_digest=trained.weights_digest or self.store_weights(trained.weights),
                shared=isinstance(trained, SharedTraining),
                speed=cost(trained, architecture, masks),
            )
        )
        for point, record in (("last", trained.last), ("best", trained.best)):
            self.outcome.results.append(
                ResultRecord(
                    dataset=dataset.name,
                    point=point,
                    correct=record.correct,
                    total=record.total,
                    loss=record.test_loss,
                    run=run,
                    ticket_id=ticket_id,
                    epoch=record.epoch,
                    seed=seed,
                )
            )

    def produce(
        self, ticket: Ticket, metadata: Metadata, weights: Mapping[int, Arrays] | None = None
    ) -> None:
        """Write a ticket file to the store and enter it into the job's outcome; say which layers are empty.

        `weights` are the dense weights that its mask was laid over, by step: what permuted masks and a start at
        step 0 need later.
        """
        empty = [layer.name for layer in ticket.layers() if not layer.survivors]
        if empty:
            log.warning("no weight survives in %s", ", ".join(empty))
        digest = self.journal.store(lambda stream: write(ticket, metadata, stream))
        kept = {str(step): self.store_weights(dense) for step, dense in (weights or {}).items()}
        self.outcome.tickets.append(ProducedTicket(digest, kept))

    def keep(self, path: Path) -> None:
        """Store a ticket file as it is, and enter its ticket into the job's outcome."""
        with path.open("rb") as file:
            digest = self.journal.store(lambda stream: shutil.copyfileobj(file, stream, _BLOCK))
        self.outcome.tickets.append(ProducedTicket(digest, {}))

    def store_weights(self, weights: Arrays) -> str:
        """Write a whole state dict to the store; its digest."""
        return self.journal.store(lambda stream: write_weights(weights, stream))


class _Reporter:
    """The training loop's observer: relays steps, epochs and checkpoints under the training's name."""

    def __init__(self, lab: Lab, name: str, step: int) -> None:
        self._lab = lab
        self._name = name
        self._step = step
        self._ended = False

    def step(self, step: int, total: int) -> None:
        self._ended = step == total
        self._lab.advance(step - self._step, self._name)
        self._step = step

    def epoch(self, record: EpochRecord) -> None:
        self._lab.journal.event("epoch", {"training": self._name, **asdict(record)})

    def checkpoint_due(self) -> bool:
        # From the last training of a job none goes on, and its weights are about to be stored.
        return (self._ended and self._lab.goes_on) or self._lab.journal.due()

    def checkpoint(self, state: TrainingState) -> None:
        self._lab.journal.save(self._name, state, self._ended)


def some(things: Sequence[Thing], most: int) -> Iterator[Sequence[Thing]]:
    """Them all in order, at most so many at a time."""
    for start in range(0, len(things), most):
        yield things[start : start + most]
