import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.catalog import attempts, claims, jobs, studies, study_results, tickets
from core.catalog.artifacts import LocalStore
from core.catalog.database import Database
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.outcome import Outcome, ResultRecord, RunRecord
from core.jobs.specs import parse_spec
from core.studies.nodes import Node
from core.studies.report import Done, Trial
from core.studies.spec import StudySpec
from core.tickets import Metadata, Ticket, TicketFile, ticket_id, write

SPEC = StudySpec.model_validate({"study": "rivals", "datasets": ["digits"]})


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "artifacts")


class Finished:
    """A study of jobs that have just ended."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.write() as session:
            self.id = studies.create(
                session, SPEC, [Node("trained", "train", {}), Node("not", "train", {})]
            ).id

    def end(self, outcome: Outcome, **spec: Any) -> None:
        asked = {"kind": "train", "architecture": "mlp_1", "dataset": "digits", "seeds": [4]} | spec
        with self.database.write() as session:
            job = jobs.create(session, parse_spec(asked).complete("mlp"), 3)
            study = studies.get(session, self.id)
            assert study is not None
            study.jobs[0].job = job
            session.flush()
            claimed = claims.claim(session, job.id, "w", 60)
            assert claimed is not None
            attempts.succeed(session, job.id, claimed.attempt, outcome, [])

    def done(self, store: LocalStore | None = None) -> dict[str, Done]:
        with self.database.read() as session:
            study = studies.get(session, self.id)
            assert study is not None
            return study_results.done(session, study, store)


@pytest.fixture
def finished(database: Database) -> Finished:
    return Finished(database)


def trained(ticket: str | None = None) -> Outcome:
    run = RunRecord("mlp_1", "digits", ticket, 4, 7, None, 0.25, 0, 12, 2.0, [], {}, "0" * 64)
    results = [
        ResultRecord("digits", "last", 90, 120, 0.1, run=0, epoch=20, seed=4),
        ResultRecord("digits", "best", 105, 120, 0.1, run=0, epoch=3, seed=4),
    ]
    return Outcome([run], results)


class TestDone:
    def test_a_training_has_its_last_and_its_best_epoch_and_what_has_not_ended_is_missing(
        self, finished: Finished
    ) -> None:
        finished.end(trained())
        trial = Trial(4, 0.75, 0.25, best=0.875, best_epoch=3, order_seed=7)
        assert finished.done() == {"trained": Done((trial,), 1, 2.0)}

    def test_a_line_is_read_from_its_first_end_to_its_second(self, finished: Finished) -> None:
        points = ((1.0, 60), (0.0, 90), (0.5, 30))
        results = [
            ResultRecord("digits", "between", correct, 120, 0.1, alpha=alpha) for alpha, correct in points
        ]
        finished.end(Outcome(results=results))
        assert finished.done()["trained"].line == ((0.0, 0.75), (0.5, 0.25), (1.0, 0.5))

    def test_a_longer_training_counts_as_so_many(self, finished: Finished) -> None:
        finished.end(
            trained(), sparsity_schedule={"method": "rigl", "multiplier": 5, "survivors": 9}, seeds=[4]
        )
        assert finished.done()["trained"].trainings == 5

    def test_dead_neurons_are_those_of_the_ticket_s_file_and_unknown_without_it(
        self, finished: Finished, store: LocalStore
    ) -> None:
        network = architecture("mlp_1", (1, 8, 8), 10)
        masks = {spec.name: np.ones(spec.shape, np.bool_) for spec in network.prunable}
        # Nothing enters two of the first layer, nothing leaves one of the second.
        masks["fc_layers.0.weight"][[3, 5]] = False
        masks["fc.weight"][:, 7] = False
        ticket = Ticket.from_dense(network, 0, masks, initialise(network, 0))
        stream = io.BytesIO()
        write(ticket, Metadata(dataset="digits", method="imp", seed=4), stream)
        with store.stage() as staged:
            staged.write(stream.getvalue())
            digest = staged.commit()
        identity = ticket_id(ticket)
        with finished.database.write() as session:
            file = TicketFile(ticket, Metadata(dataset="digits", method="imp", seed=4), 0, 0)
            tickets.register(session, identity, file, digest)
        finished.end(trained(identity))
        assert finished.done()["trained"].trials[0].dead is None
        assert finished.done(LocalStore(store.root / "elsewhere"))["trained"].trials[0].dead is None
        (trial,) = finished.done(store)["trained"].trials
        assert (trial.ticket, trial.dead) == (identity, 3)
