from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from core.catalog import attempts, claims, jobs, studies
from core.catalog.attempts import ProducedFile
from core.catalog.database import Database
from core.catalog.tables import Job
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.outcome import Failure, Outcome, ResultRecord, RunRecord
from core.jobs.specs import FindSpec, TrainSpec, TransformSpec, parse_spec
from core.studies.expansion import Expansion
from core.studies.spec import StudySpec
from core.tickets import Metadata, Ticket, TicketFile, ticket_id


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def spec() -> TrainSpec:
    return TrainSpec(architecture="mlp_1", dataset="digits").complete("mlp")


@pytest.fixture
def queued(database: Database, spec: TrainSpec) -> Callable[..., str]:
    def create(max_attempts: int = 3) -> str:
        with database.write() as session:
            return jobs.create(session, spec, max_attempts).id

    return create


ASKED: dict[str, Any] = {
    "study": "rivals",
    "datasets": ["digits"],
    "seeds": [0, 1],
    "arms": [
        {"name": "ETT", "method": "ett"},
        {"name": "IMP", "method": "imp"},
        {"name": "SNIP", "method": "snip"},
        {"name": "dense", "method": "dense"},
    ],
}


class Crew:
    """Does whatever is queued, as workers would, but at once: tickets and accuracies are made up."""

    ARMS = ASKED["arms"]

    def __init__(self, database: Database) -> None:
        self.database = database
        self.done: list[dict[str, Any]] = []

    def work(self, fails: Callable[[dict[str, Any]], bool] = lambda _: False) -> int:
        """Do all that is queued now; how many jobs that were."""
        with self.database.read() as session:
            queued = session.scalars(select(Job.id).where(Job.state == "queued")).all()
        for job_id in queued:
            with self.database.write() as session:
                job = claims.claim(session, job_id, "w", 60)
                assert job is not None
                self.done.append(job.spec)
                if fails(job.spec):
                    attempts.fail(session, job_id, job.attempt, Failure("diverged", "the loss is not finite"))
                else:
                    outcome, files = self._outcome(parse_spec(job.spec), len(self.done))
                    attempts.succeed(session, job_id, job.attempt, outcome, files)
        return len(queued)

    def _outcome(self, spec: Any, number: int) -> tuple[Outcome, list[ProducedFile]]:
        match spec:
            case FindSpec():
                return Outcome(), [self._ticket(spec.architecture, seed, number) for seed in spec.seeds]
            case TransformSpec():
                return Outcome(), [
                    self._ticket(spec.architecture, n, number) for n, _ in enumerate(spec.tickets)
                ]
            case TrainSpec():
                outcome = Outcome()
                for run, seed in enumerate(spec.seeds or ()):
                    outcome.runs.append(
                        RunRecord(
                            "mlp_3", "digits", None, seed, seed, None, 0.9, 0, 12, 2.0, [], {}, "0" * 64
                        )
                    )
                    outcome.results.append(
                        ResultRecord("digits", "last", 90 + seed, 100, 0.1, run=run, seed=seed)
                    )
                return outcome, []
        raise AssertionError(spec.kind)

    def _ticket(self, name: str, seed: int, number: int) -> ProducedFile:
        network = architecture(name, (1, 8, 8), 10)
        # So many of the first weights survive: no two jobs keep the same number.
        masks, left = {}, 100 + number
        for tensor in network.prunable:
            masks[tensor.name] = np.arange(tensor.size).reshape(tensor.shape) < left
            left -= min(left, tensor.size)
        ticket = Ticket.from_dense(network, 0, masks, initialise(network, seed))
        file = TicketFile(ticket, Metadata(dataset="digits", method="imp", seed=seed), 0, 0)
        return ProducedFile(ticket_id(ticket), "0" * 64, file)


@pytest.fixture
def crew(database: Database) -> Crew:
    return Crew(database)


@pytest.fixture
def enter(database: Database) -> Callable[..., str]:
    def create(**change: Any) -> str:
        spec = StudySpec.model_validate(ASKED | change)
        with database.write() as session:
            return studies.create(session, spec, list(Expansion(spec).nodes.values())).id

    return create
