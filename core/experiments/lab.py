"""What an experiment works with: its inputs, a store for what it makes, and trainings that survive a crash."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from core.datasets import Dataset, load
from core.experiments.architectures import describer
from core.families.architecture import Architecture
from core.families.definition import Definition
from core.jobs.inputs import Inputs
from core.jobs.outcome import Outcome, ProducedTicket, ResultRecord, RunRecord
from core.jobs.recipes import Recipe
from core.tickets import Metadata, Ticket, TicketFile, read, write
from core.tickets.weights import read_weights, write_weights
from core.training.checkpoint import EpochRecord, TrainingState
from core.training.fingerprint import fingerprint
from core.training.loop import Trained, train

log = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[Any]]


class Journal(Protocol):
    """Where a trainer's progress goes: to its supervisor, and to the stores both can see."""

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Tell the job's watchers something."""

    def progress(self, done: int, total: int, doing: str) -> None:
        """Tell how far the job is, in training steps; cheap enough for every step."""

    def states(self, training: str) -> Iterable[TrainingState]:
        """Saved states of a training, the latest first; damaged ones are left out."""

    def due(self) -> bool:
        """Whether it is time for another checkpoint."""

    def save(self, training: str, state: TrainingState, complete: bool) -> None:
        """Make a state durable; `complete` marks the end of its training."""

    def store(self, write: Callable[[BinaryIO], object]) -> str:
        """Write an artifact and return its digest."""


class Lab:
    """One job's workplace. A training is named: after a crash, finished ones are read back and the last resumes."""

    def __init__(
        self,
        journal: Journal,
        inputs: Inputs,
        datasets: Path,
        device: torch.device,
    ) -> None:
        self.journal = journal
        self.inputs = inputs
        self.definitions = [Definition.model_validate(posted) for posted in inputs.definitions]
        self.describe = describer(self.definitions)
        self.outcome = Outcome()
        self.device = device
        self._datasets = datasets
        self._done = 0
        self._total = 0

    def dataset(self, name: str) -> Dataset:
        """A dataset, read into memory."""
        return load(name, self._datasets)

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

    def train(
        self,
        name: str,
        architecture: Architecture,
        dataset: Dataset,
        recipe: Recipe,
        *,
        seed: int,
        weights: Arrays,
        masks: Mapping[str, NDArray[np.bool_]],
        start_step: int,
        end_step: int | None = None,
        exact: bool,
    ) -> Trained:
        """Train from `weights` under `masks` to the recipe's end, or to a step; `seed` orders and augments the data.

        The name is unique in the job.
        """
        reporter = _Reporter(self.journal, name, self._done - start_step, self._total)
        trained = train(
            architecture,
            dataset,
            recipe,
            seed=seed,
            weights=weights,
            masks=masks,
            start_step=start_step,
            end_step=end_step,
            state=next(iter(self.journal.states(name)), None),
            observer=reporter,
            device=self.device,
            exact=exact,
        )
        self._done += trained.steps - start_step
        return trained

    def record_run(
        self,
        trained: Trained,
        architecture: Architecture,
        dataset: Dataset,
        *,
        seed: int,
        order_seed: int,
        start_step: int,
        sparsity: float,
        exact: bool,
        ticket_id: str | None = None,
        level: int | None = None,
    ) -> None:
        """Enter a finished training into the job's outcome: headline accuracy after the last step, best beside it."""
        run = len(self.outcome.runs)
        self.outcome.runs.append(
            RunRecord(
                architecture=architecture.name,
                dataset=dataset.name,
                ticket_id=ticket_id,
                seed=seed,
                order_seed=order_seed,
                level=level,
                sparsity=sparsity,
                start_step=start_step,
                steps=trained.steps - start_step,
                seconds=trained.seconds,
                history=[asdict(record) for record in trained.history],
                fingerprint=asdict(fingerprint(self.device, exact)),
                weights_digest=self.store_weights(trained.weights),
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

    def store_weights(self, weights: Arrays) -> str:
        """Write a whole state dict to the store; its digest."""
        return self.journal.store(lambda stream: write_weights(weights, stream))


class _Reporter:
    """The training loop's observer: relays steps, epochs and checkpoints under the training's name."""

    def __init__(self, journal: Journal, name: str, before: int, total: int) -> None:
        self._journal = journal
        self._name = name
        self._before = before
        self._total = total
        self._ended = False

    def step(self, step: int, total: int) -> None:
        self._ended = step == total
        self._journal.progress(self._before + step, self._total, self._name)

    def epoch(self, record: EpochRecord) -> None:
        self._journal.event("epoch", {"training": self._name, **asdict(record)})

    def checkpoint_due(self) -> bool:
        return self._ended or self._journal.due()

    def checkpoint(self, state: TrainingState) -> None:
        self._journal.save(self._name, state, self._ended)
