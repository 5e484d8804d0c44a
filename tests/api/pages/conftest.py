"""A catalog with something of everything, written by the functions that workers and routes use."""

import math
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from api.app import create_app
from core.catalog import attempts, claims, jobs, studies, tickets
from core.catalog.attempts import Report
from core.catalog.database import Database
from core.catalog.jobs import JobEvent
from core.catalog.tables import Job
from core.elastic.transform import transform
from core.elastic.unit_map import named_map
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.outcome import Failure, Outcome, ProducedTicket, ResultRecord, RunRecord
from core.jobs.specs import parse_spec
from core.jobs.states import State
from core.settings import Settings
from core.tickets import Metadata, Ticket, TicketFile, ticket_id

with warnings.catch_warnings():
    # It would rather have httpx2, which nothing else here needs.
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
DIGITS = (1, 8, 8), 10
HOSTILE = "<script>alert('x')</script>&\"quoted\""


class Catalog:
    """A database to fill."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def queued(self, **spec: object) -> str:
        """A queued job: a small find, where no spec is given."""
        given = spec or {"kind": "find", "architecture": "mlp_2", "dataset": "digits", "seeds": [0, 1, 2]}
        parsed = parse_spec(given)
        if hasattr(parsed, "complete"):
            parsed = parsed.complete("mlp")
        with self.database.write() as session:
            return jobs.create(session, parsed, 5).id

    def running(
        self,
        job: str,
        done: int = 30,
        total: int = 100,
        trainings: Sequence[str] = (),
        eta: float | None = None,
    ) -> None:
        """Claim a job and report progress, a log line and a curve per training."""
        with self.database.write() as session:
            claimed = claims.claim(session, job, "worker-1", 3600)
            assert claimed is not None
            doing = trainings[-1] if trainings else "seed 0, level 0"
            events = [JobEvent("log", {"text": "reading digits from scikit-learn"})]
            events += [event for name in trainings for event in self._curve(name)]
            progress = {"done": done, "total": total, "doing": doing, "eta_seconds": eta}
            attempts.heartbeat(session, job, claimed.attempt, 3600, Report(events=events, progress=progress))

    def _curve(self, training: str) -> Iterator[JobEvent]:
        for epoch in range(1, 21):
            loss = 2.3 * math.exp(-epoch / 5) + 0.02 * (len(training) % 3) + 0.05
            correct = round(360 * (0.97 - 0.8 * math.exp(-epoch / 3) - 0.01 * (len(training) % 3)))
            yield JobEvent(
                "epoch",
                {
                    "training": training,
                    "epoch": epoch,
                    "step": epoch * 12,
                    "learning_rate": 0.1,
                    "train_loss": loss,
                    "test_loss": loss * 1.2,
                    "correct": correct,
                    "total": 360,
                },
            )

    def cancelling(self, job: str) -> None:
        """Ask a job to stop; one that waits is cancelled at once."""
        with self.database.write() as session:
            assert jobs.cancel(session, job) is not None

    def failed(self, job: str, message: str, **details: object) -> None:
        """End a running job with an error."""
        with self.database.write() as session:
            assert attempts.fail(session, job, 1, Failure("error", message, details))

    def measured(self, job: str, line: Mapping[float, int]) -> None:
        """End a running connect job with so many correct answers of 360 per alpha."""
        results = [
            ResultRecord("digits", "between", correct, 360, 0.2, alpha=alpha)
            for alpha, correct in line.items()
        ]
        with self.database.write() as session:
            assert attempts.succeed(session, job, 1, Outcome(results=results), [])

    def timed(self, job: str, ticket: str, latency: dict[str, Any]) -> None:
        """End a running evaluate job that timed a ticket."""
        result = ResultRecord("digits", "evaluate", 33, 360, 2.4, ticket_id=ticket, latency=latency)
        with self.database.write() as session:
            assert attempts.succeed(session, job, 1, Outcome(results=[result]), [])

    def succeeded(
        self,
        job: str,
        files: Sequence[TicketFile] = (),
        runs: Sequence[RunRecord] = (),
        evaluated: str | None = None,
    ) -> None:
        """End a running job with an outcome."""
        results = [
            ResultRecord(
                "digits",
                point,
                340 + i + more,
                360,
                0.2,
                run=i,
                ticket_id=run.ticket_id,
                epoch=epoch,
                seed=run.seed,
            )
            for i, run in enumerate(runs)
            for point, epoch, more in (("last", 20, 0), ("best", 17, 9))
        ]
        if evaluated:
            results.append(ResultRecord("digits", "evaluate", 33, 360, 2.4, ticket_id=evaluated, seed=0))
        outcome = Outcome(list(runs), results, [ProducedTicket("ab" * 32) for _ in files])
        produced = [attempts.ProducedFile(ticket_id(file.ticket), "ab" * 32, file) for file in files]
        with self.database.write() as session:
            assert attempts.succeed(session, job, 1, outcome, produced)

    def advance(self, study: str) -> None:
        """Ask for what a study can go on with, as a dispatcher does."""
        with self.database.write() as session:
            studies.advance(session, study, 5)

    def put(self, job: str, state: State) -> None:
        """Force a state that no small story leads to."""
        with self.database.write() as session:
            session.execute(update(Job).where(Job.id == job).values(state=state))

    def in_state(self, state: State) -> str:
        """A job in that state."""
        job = self.queued()
        match state:
            case State.WAITING:
                self.put(job, State.WAITING)
            case State.RUNNING:
                self.running(job, trainings=["seed 0, level 0"])
            case State.CANCELLING:
                self.running(job)
                self.cancelling(job)
            case State.CANCELLED:
                self.cancelling(job)
            case State.FAILED:
                self.running(job)
                self.failed(job, "Diverged: the training loss is nan")
            case State.SUCCEEDED:
                self.running(job)
                self.succeeded(job, [found(seed=0)], [run(seed=seed) for seed in range(3)])
        return job

    @staticmethod
    def found(**given: object) -> TicketFile:
        """A ticket that is not yet in the catalog."""
        return found(**given)

    @staticmethod
    def trained(**given: Any) -> RunRecord:
        """A finished training."""
        return run(**given)

    @staticmethod
    def stretched(file: TicketFile, parent: str) -> TicketFile:
        """A ticket made from `file`, not yet in the catalog."""
        return stretched(file, parent)

    def upload(self, file: TicketFile, *tags: str) -> str:
        """Register a ticket as an upload does."""
        with self.database.write() as session:
            identity = ticket_id(file.ticket)
            tickets.register(session, identity, file, "cd" * 32)
            tickets.tag(session, identity, tags)
        return identity

    def family(self) -> tuple[str, str]:
        """A found ticket, the ticket stretched from it by a job, which was trained and evaluated: both ids."""
        file = found(seed=0)
        source = ticket_id(file.ticket)
        find = self.queued()
        self.running(find)
        self.succeeded(find, [file], [run(seed=0, level=level) for level in range(3)])
        carry = self.queued(kind="transform", tickets=[source], architecture="mlp_3")
        self.running(carry)
        longer = stretched(file, source)
        child = ticket_id(longer.ticket)
        self.succeeded(carry, [longer])
        train = self.queued(kind="train", tickets=[child], dataset="digits", order_seeds=[0, 1, 2])
        self.running(train)
        self.succeeded(
            train, runs=[run(architecture="mlp_3", ticket=child, level=None, order=i) for i in range(3)]
        )
        measure = self.queued(kind="evaluate", tickets=[child], dataset="digits")
        self.running(measure)
        self.succeeded(measure, evaluated=child)
        return source, child


def found(
    seed: int = 0, dataset: str | None = "digits", method: str = "imp", **details: object
) -> TicketFile:
    """A mlp_2 ticket as IMP leaves it at level 10, but with random masks."""
    network = architecture("mlp_2", *DIGITS)
    generator = np.random.default_rng(seed)
    densities = {
        "fc_layers.0.weight": 0.35,
        "fc_layers.1.weight": 0.06,
        "fc_layers.2.weight": 0.1,
        "fc.weight": 1.0,
    }
    masks = {spec.name: generator.random(spec.shape) < densities[spec.name] for spec in network.prunable}
    ticket = Ticket.from_dense(network, 0, masks, initialise(network, seed))
    metadata = Metadata(
        dataset=dataset, method=method, seed=seed, level=10, details={"fraction": 0.2} | details
    )
    return TicketFile(ticket, metadata, 1024, ticket.payload_bytes)


def stretched(file: TicketFile, parent: str) -> TicketFile:
    """The same ticket on mlp_3."""
    source, target = file.ticket.architecture, architecture("mlp_3", *DIGITS)
    unit_map = named_map("append", source.anatomy, target.anatomy)

    def carried(arrays: object) -> dict:
        return transform(arrays, source.anatomy, target.anatomy, unit_map)

    ticket = Ticket(
        target, 0, carried(file.ticket.masks), carried(file.ticket.kept), carried(file.ticket.dense)
    )
    return TicketFile(
        ticket,
        Metadata(dataset="digits", method="ett", seed=0, level=10, parent=parent),
        1100,
        ticket.payload_bytes,
    )


def run(
    architecture: str = "mlp_2",
    seed: int = 0,
    level: int | None = 0,
    ticket: str | None = None,
    order: int | None = None,
    shared: bool = False,
    speed: dict[str, object] | None = None,
) -> RunRecord:
    """A finished training."""
    return RunRecord(
        architecture=architecture,
        dataset="digits",
        ticket_id=ticket,
        seed=seed,
        order_seed=seed if order is None else order,
        level=level,
        sparsity=0.8926,
        start_step=100,
        steps=240,
        seconds=1.25,
        history=[],
        fingerprint={},
        weights_digest="ef" * 32,
        shared=shared,
        speed=speed,
    )


@pytest.fixture
def database_url(tmp_path: Path, sqlite_template: Path) -> str:
    """Pages ask nothing of a database that the catalog's own tests do not ask of both: SQLite will do."""
    path = tmp_path / "elasticket.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def application(settings: Settings) -> FastAPI:
    """The whole application."""
    return create_app(settings)


@pytest.fixture
def client(application: FastAPI) -> Iterator[TestClient]:
    """A browser without scripts."""
    with TestClient(application, headers={"Accept": BROWSER}, client=("127.0.0.1", 1)) as client:
        yield client


@pytest.fixture
def catalog(settings: Settings) -> Iterator[Catalog]:
    """The catalog behind `client`."""
    database = Database(settings.database)
    yield Catalog(database)
    database.close()


@pytest.fixture
def hostile() -> str:
    """Text that must never become markup."""
    return HOSTILE
