"""A lab on real stores, whose journal keeps what it is told and can be made to die."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest
import torch

from core.catalog.artifacts import LocalStore
from core.catalog.trainings import SharedTrainings
from core.experiments import Lab, conduct
from core.experiments.shared import SharedTraining
from core.jobs.inputs import Inputs, InputTicket, TrainedNetwork
from core.jobs.outcome import Outcome
from core.jobs.specs import JobSpec
from core.tickets import Ticket, TicketFile, read, ticket_id
from core.tickets.weights import read_weights, write_weights
from core.training.checkpoint import TrainingState, read_state, write_state
from core.training.loop import Observer


class Killed(BaseException):
    """The end of a process."""


class Diary:
    """A journal in two directories; dies after a given number of saves."""

    def __init__(self, root: Path) -> None:
        self.artifacts = LocalStore(root / "artifacts")
        self.scratch = LocalStore(root / "scratch")
        self.saved: list[tuple[str, str, bool]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.steps: list[tuple[int, int, str]] = []
        self.saves_left: int | None = None
        self.interval = 5
        self.trainings = SharedTrainings(self.artifacts, "default")
        self.keys: list[str] = []

    def event(self, kind: str, data: dict[str, Any]) -> None:
        self.events.append((kind, data))

    def progress(self, done: int, total: int, doing: str) -> None:
        self.steps.append((done, total, doing))

    def states(self, training: str) -> Iterable[TrainingState]:
        for name, digest, _ in reversed(self.saved):
            if name == training:
                yield read_state(self.scratch.verified(digest))

    def due(self) -> bool:
        return len(self.steps) % self.interval == 0

    def save(self, training: str, state: TrainingState, complete: bool) -> None:
        with self.scratch.stage() as staged:
            write_state(state, staged)  # type: ignore[arg-type]
            self.saved.append((training, staged.commit(), complete))
        if self.saves_left is not None:
            self.saves_left -= 1
            if self.saves_left < 0:
                raise Killed

    def store(self, write: Callable[[BinaryIO], object]) -> str:
        with self.artifacts.stage() as staged:
            write(staged)  # type: ignore[arg-type]
            return staged.commit()

    @contextmanager
    def sharing(self, key: str, wait: bool) -> Iterator[SharedTraining | None]:
        self.keys.append(key)
        with self.trainings.turn(key, wait=wait) as found:
            yield SharedTraining.from_parts(found.about, read_weights(found.weights)) if found else None

    def publish(self, key: str, training: SharedTraining) -> str:
        weights = self.store(lambda stream: write_weights(training.weights, stream))
        self.trainings.publish(key, weights, training.about())
        return weights


class Bench:
    """Runs jobs one after another on one pair of stores, and knows the tickets they made."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.diary = Diary(root)
        self.tickets: dict[str, InputTicket] = {}

    def run(self, spec: JobSpec, weights: Iterable[TrainedNetwork] = (), **inputs: Any) -> Outcome:
        """Do a job to its end."""
        given = Inputs(self.tickets, list(weights), **inputs)
        lab = Lab(self.diary, given, Path("no-datasets-here"), self.root / "tuning", torch.device("cpu"))
        conduct(spec, lab)
        for produced in lab.outcome.tickets:
            path = self.diary.artifacts.path(produced.digest)
            file = read(path)
            said = file.metadata
            weights = {step: str(self.diary.artifacts.path(d)) for step, d in produced.weights.items()}
            self.tickets[ticket_id(file.ticket)] = InputTicket(
                str(path), said.dataset, said.seed, said.level, weights
            )
        return lab.outcome

    def next_job(self) -> None:
        """Forget all that only the job that was run last knows."""
        for told in (self.diary.saved, self.diary.events, self.diary.steps, self.diary.keys):
            told.clear()

    def ticket(self, identity: str) -> Ticket:
        """A ticket that an earlier job made."""
        return read(self.tickets[identity].path).ticket

    def made(self, outcome: Outcome) -> list[TicketFile]:
        """The ticket files of an outcome."""
        return [read(self.diary.artifacts.path(produced.digest)) for produced in outcome.tickets]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def fresh_bench(tmp_path: Path) -> Callable[[str], Bench]:
    return lambda name: Bench(tmp_path / name)


@pytest.fixture
def silent() -> Observer:
    """An observer for a training that nobody follows."""
    return SimpleNamespace(  # type: ignore[return-value]
        step=lambda *_: None, epoch=lambda *_: None, checkpoint_due=lambda: False, checkpoint=lambda *_: None
    )


@pytest.fixture
def killed() -> type[BaseException]:
    return Killed
