"""Every kind of job, done by real workers, on both databases."""

from typing import TYPE_CHECKING, ClassVar

import pytest

from core.catalog import tickets
from core.catalog.artifacts import LocalStore
from core.catalog.tables import Attempt, Result, Ticket
from core.jobs.methods import ImpParameters, RandomParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import EvaluateSpec, FindSpec, NoopSpec, TrainSpec, TransformSpec
from core.jobs.states import State
from core.tickets import read, ticket_id

if TYPE_CHECKING:
    from tests.workers.conftest import Fleet

SHORT = RecipeChoice(length="4ep")


def find(seeds: list[int], level: int = 2) -> FindSpec:
    return FindSpec(
        architecture="mlp_2",
        dataset="digits",
        parameters=ImpParameters(level=level),
        seeds=seeds,
        recipe=SHORT,
    ).complete("mlp")


@pytest.mark.standing
class TestMainJob:
    def test_find_stretch_train_evaluate(self, fleet: "Fleet") -> None:
        found = fleet.submit(find([0, 1]))
        assert fleet.result(found).state == State.SUCCEEDED
        sources = fleet.tickets(found)
        assert len(sources) == 2

        stretched = fleet.submit(TransformSpec(tickets=sources, architecture="mlp_4"))
        assert fleet.result(stretched).state == State.SUCCEEDED
        targets = fleet.tickets(stretched)

        trained = fleet.submit(TrainSpec(tickets=targets, dataset="digits", recipe=SHORT).complete("mlp"))
        assert fleet.result(trained).state == State.SUCCEEDED
        assert [(run.ticket_id, run.seed) for run in fleet.runs(trained)] == [
            (targets[0], 0),
            (targets[1], 1),
        ]

        evaluated = fleet.submit(EvaluateSpec(job=trained, dataset="digits"))
        assert fleet.result(evaluated).state == State.SUCCEEDED
        with fleet.database.read() as session:
            last = session.query(Result).filter_by(job_id=trained, point="last").order_by(Result.ordinal)
            again = session.query(Result).filter_by(job_id=evaluated).order_by(Result.ordinal)
            assert [row.correct for row in last] == [row.correct for row in again]
            device = session.get_one(Attempt, (trained, 1)).device
        assert device is not None
        assert device.split()[0] in ("cpu", "cuda")

    def test_a_found_ticket_is_in_the_store_under_its_own_id(self, fleet: "Fleet") -> None:
        job_id = fleet.submit(find([3]))
        fleet.result(job_id)
        (identity,) = fleet.tickets(job_id)
        with fleet.database.read() as session:
            row = tickets.get(session, identity)
            assert row is not None
            origin = row.provenance[0]
        file = read(LocalStore(fleet.settings.artifact_directory).verified(row.file_digest))
        assert ticket_id(file.ticket) == identity
        assert (origin.method, origin.seed, origin.level, origin.dataset) == ("imp", 3, 2, "digits")

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    def test_a_random_ticket_has_exactly_the_survivors_asked_for(self, fleet: "Fleet") -> None:
        spec = FindSpec(
            architecture="mlp_3",
            dataset="digits",
            method="random",
            parameters=RandomParameters(survivors=12_345),
            seeds=[0, 1],
        ).complete("mlp")
        job_id = fleet.submit(spec)
        assert fleet.result(job_id).state == State.SUCCEEDED
        with fleet.database.read() as session:
            rows = [session.get_one(Ticket, ("default", identity)) for identity in fleet.tickets(job_id)]
        assert [row.survivors for row in rows] == [12_345, 12_345]


class TestSlot:
    def test_takes_the_next_job_without_waiting_for_a_hint(self, fleet: "Fleet") -> None:
        first = fleet.submit(find([0]))
        fleet.until_training(first)
        fleet.kill("dispatcher")
        # No trainer is started for nothing, which is a job all the same.
        after = [fleet.submit(NoopSpec()) for _ in range(2)]
        assert [fleet.result(job).state for job in (first, *after)] == [State.SUCCEEDED] * 3
        done = [fleet.job(job) for job in after]
        assert [(job.attempt, job.hinted_at, job.lease_until) for job in done] == [(1, None, None)] * 2


@pytest.mark.nightly
@pytest.mark.standing
class TestLatency:
    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    def test_a_real_worker_times_every_form_at_both_batch_sizes(self, fleet: "Fleet") -> None:
        spec = FindSpec(
            architecture="mlp_1_20_10",
            dataset="digits",
            method="random",
            parameters=RandomParameters(survivors=500),
        ).complete("mlp")
        found = fleet.submit(spec)
        assert fleet.result(found).state == State.SUCCEEDED
        identities = fleet.tickets(found)
        timed = fleet.submit(EvaluateSpec(tickets=identities, dataset="digits", latency=True))
        assert fleet.result(timed).state == State.SUCCEEDED
        with fleet.database.read() as session:
            (row,) = session.query(Result).filter_by(job_id=timed)
        assert (row.total, row.ticket_id) == (360, identities[0])
        assert row.latency is not None
        assert row.latency["machine"]["threads"] == 1
        assert [at["batch"] for at in row.latency["batches"]] == [1, 128]
        for at in row.latency["batches"]:
            assert [form["form"] for form in at["forms"]] == ["dense", "sparse", "compacted"]
            names = [layer["name"] for layer in at["layers"]]
            assert names == ["fc_layers.0.weight", "fc_layers.1.weight", "fc.weight"]


@pytest.mark.standing
class TestFailure:
    def test_an_error_in_the_trainer_fails_the_job_with_its_message(self, fleet: "Fleet") -> None:
        job = fleet.result(fleet.submit(TrainSpec(architecture="mlp_1", dataset="mnist").complete("mlp")))
        assert job.state == State.FAILED
        assert job.error is not None
        assert job.error["reason"] == "error"
        assert "train-images-idx3-ubyte" in job.error["message"]
        assert job.attempt == 1

    def test_a_training_that_diverges_fails_and_says_so(self, fleet: "Fleet") -> None:
        spec = TrainSpec(architecture="mlp_2", dataset="digits", recipe=RecipeChoice(length="3it", lr=100))
        job = fleet.result(fleet.submit(spec.complete("mlp")))
        assert job.state == State.FAILED
        assert job.error is not None
        assert "Diverged" in job.error["message"]
        assert job.attempt == 1


class TestMemory:
    SETTINGS: ClassVar = {"trainer_memory_bytes": 3 * 2**30}

    @pytest.mark.nightly
    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    def test_memory_that_does_not_suffice_is_told_and_the_worker_goes_on(self, fleet: "Fleet") -> None:
        wide = TrainSpec(
            architecture="cifar_resnet_8_1024", dataset="digits", recipe=RecipeChoice(length="1ep")
        )
        job = fleet.result(fleet.submit(wide.complete("cifar_resnet")))
        assert job.state == State.FAILED
        assert job.error is not None
        assert job.error["reason"] == "out_of_memory", job.error
        assert fleet.result(fleet.submit(find([0]))).state == State.SUCCEEDED
