import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from core.catalog import attempts, studies, study_results
from core.catalog.attempts import ProducedFile
from core.catalog.database import Database
from core.catalog.tables import Job, Study
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.outcome import Failure, Outcome, ResultRecord, RunRecord
from core.jobs.specs import FindSpec, TrainSpec, TransformSpec, parse_spec
from core.pruning.random import random_mask
from core.studies.expansion import Expansion
from core.studies.report import filled
from core.studies.spec import StudySpec
from core.tickets import Metadata, Ticket, TicketFile, ticket_id

ASKED = {
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
    """Does whatever is queued, as workers would, but at once: tickets are random, accuracies made up."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.done: list[dict[str, Any]] = []

    def work(self, fails: Callable[[dict[str, Any]], bool] = lambda _: False) -> int:
        """Do all that is queued now; how many jobs that were."""
        with self.database.read() as session:
            queued = session.scalars(select(Job.id).where(Job.state == "queued")).all()
        for job_id in queued:
            with self.database.write() as session:
                job = attempts.claim(session, job_id, "w", 60)
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
        shapes = {tensor.name: tensor.shape for tensor in network.prunable}
        masks = random_mask(shapes, 1000 + number, seed)
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


def advance(database: Database, study_id: str) -> None:
    with database.write() as session:
        studies.advance(session, study_id, 3)


def look(database: Database, study_id: str) -> tuple[dict[str, str], bool]:
    with database.read() as session:
        study = studies.get(session, study_id)
        assert study is not None
        return studies.standings(study), study.finished_at is not None


class TestAdvance:
    def test_jobs_are_asked_for_as_their_tickets_come_and_the_end_is_marked(
        self, database: Database, crew: Crew, enter: Callable[..., str]
    ) -> None:
        study = enter()
        rounds = []
        while True:
            advance(database, study)
            before = len(crew.done)
            if not crew.work():
                break
            rounds.append(sorted({spec["kind"] for spec in crew.done[before:]}))
        assert rounds == [["find", "train"], ["train", "transform"], ["find", "train"], ["train"]]
        states, finished = look(database, study)
        assert (set(states.values()), finished) == ({"succeeded"}, True)
        with database.read() as session:
            row = studies.get(session, study)
            assert row is not None
            cells = filled(studies.expansion(row).cells, study_results.done(session, row), 2)
        assert [cell.complete for cell in cells] == [True] * 4
        assert [[trial.accuracy for trial in cell.trials] for cell in cells] == [[0.9, 0.91]] * 4

    def test_a_rival_is_given_the_survivors_of_the_stretched_ticket_of_its_seed(
        self, database: Database, crew: Crew, enter: Callable[..., str]
    ) -> None:
        study = enter()
        for _ in range(5):
            advance(database, study)
            crew.work()
        (transform,) = (n for n, spec in enumerate(crew.done, 1) if spec["kind"] == "transform")
        given = [spec["parameters"]["survivors"] for spec in crew.done if spec.get("method") == "snip"]
        assert given == [1000 + transform] * 2

    def test_what_another_job_has_done_is_not_done_again(
        self, database: Database, crew: Crew, enter: Callable[..., str]
    ) -> None:
        first = enter()
        for _ in range(5):
            advance(database, first)
            crew.work()
        second = enter()
        advance(database, second)
        assert look(database, second) == look(database, first)
        assert crew.work() == 0

    def test_a_failure_blocks_what_needs_it_and_nothing_else(
        self, database: Database, crew: Crew, enter: Callable[..., str]
    ) -> None:
        study = enter()
        for _ in range(5):
            advance(database, study)
            crew.work(fails=lambda spec: spec["kind"] == "find" and spec["architecture"] == "mlp_2")
        states, finished = look(database, study)
        assert finished
        assert {key: state for key, state in states.items() if state != "succeeded"} == {
            "digits/mlp_2/10/IMP/find/seeds 0,1": "failed",
            "digits/mlp_3/10/from mlp_2/transform/seeds 0,1": "blocked",
            "digits/mlp_3/10/ETT from mlp_2/train/seeds 0,1": "blocked",
            "digits/mlp_3/10/SNIP/find/seed 0": "blocked",
            "digits/mlp_3/10/SNIP/find/seed 1": "blocked",
            "digits/mlp_3/10/SNIP/train/seeds 0,1": "blocked",
        }

    def test_many_at_once_ask_for_every_job_once(
        self, database: Database, crew: Crew, enter: Callable[..., str]
    ) -> None:
        study = enter()
        for _ in range(5):
            threads = [threading.Thread(target=advance, args=(database, study)) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            crew.work()
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(Job)) == len(look(database, study)[0])

    def test_a_crash_before_the_commit_asks_for_nothing(
        self, database: Database, enter: Callable[..., str]
    ) -> None:
        study = enter()
        with pytest.raises(RuntimeError, match="crash"), database.write() as session:
            studies.advance(session, study, 3)
            raise RuntimeError("crash")
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(Job)) == 0
        assert set(look(database, study)[0].values()) == {"waiting"}


class TestCancel:
    def test_what_was_asked_for_stops_and_the_rest_never_comes(
        self, database: Database, crew: Crew, enter: Callable[..., str]
    ) -> None:
        study = enter()
        advance(database, study)
        with database.write() as session:
            row = studies.get(session, study)
            assert row is not None
            studies.cancel(session, row)
        advance(database, study)
        states, finished = look(database, study)
        assert (set(states.values()), finished) == ({"cancelled", "blocked"}, True)
        assert crew.work() == 0


class TestMovable:
    def test_only_while_there_is_something_to_do(
        self, database: Database, crew: Crew, enter: Callable[..., str]
    ) -> None:
        study = enter()

        def movable() -> bool:
            with database.read() as session:
                row = session.get(Study, study)
                assert row is not None
                return studies.movable(row)

        assert movable()
        advance(database, study)
        assert not movable()
        crew.work()
        assert movable()
