from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from core.catalog import attempts, claims, jobs
from core.catalog.database import Database
from core.catalog.paces import FEW, Paces, paces, product_rate
from core.catalog.tables import Attempt
from core.families import architecture
from core.families.operations import training_flops
from core.jobs.outcome import Outcome, RunRecord
from core.jobs.specs import FindSpec, TrainSpec
from core.studies.work import Unit

Do = Callable[..., str]
STEPS, IMAGES = 12, 1437


def run(name: str, seconds: float, **change: Any) -> RunRecord:
    operations = training_flops(architecture(name, (1, 8, 8), 10))
    speed = {
        "replicates": change.pop("together", 1),
        "images": IMAGES * change.pop("counted", 1),
        "device_seconds": seconds,
        "evaluation_seconds": 0.1,
        "training_flops": {"dense": operations, "sparse": operations},
    }
    fields: dict[str, Any] = {
        "architecture": name,
        "dataset": "digits",
        "ticket_id": None,
        "seed": 0,
        "order_seed": 0,
        "level": None,
        "sparsity": 0.0,
        "start_step": 0,
        "steps": STEPS,
        "seconds": seconds,
        "history": [],
        "fingerprint": {"device": "cpu x86_64"},
        "weights_digest": "0" * 64,
        "speed": speed,
    }
    return RunRecord(**fields | change)


@pytest.fixture
def do(database: Database) -> Do:
    """Finishes a job with these runs, whose one attempt took so many seconds; later ones finish later."""
    done: list[str] = []

    def finish(*runs: RunRecord, seconds: float = 10.0, spec: Any = None) -> str:
        given = spec or TrainSpec(architecture="mlp_2", dataset="digits").complete("mlp")
        outcome = Outcome()
        outcome.runs.extend(runs)
        with database.write() as session:
            job = jobs.create(session, given, 3)
            claims.claim(session, job.id, "w", 60)
            assert attempts.succeed(session, job.id, 1, outcome, [])
            done.append(job.id)
            session.refresh(job)
            job.finished_at = 1e9 + len(done)
            session.execute(
                update(Attempt).where(Attempt.job_id == job.id).values(started_at=0.0, ended_at=seconds)
            )
        return job.id

    return finish


@pytest.fixture
def known(database: Database) -> Callable[[], Paces]:
    def look() -> Paces:
        with database.read() as session:
            return paces(session)

    return look


def unit(name: str = "mlp_2", together: int = 1, dataset: str = "digits", batch: int = 128) -> Unit:
    return Unit((), name, dataset, batch, 100, 1, together)


class TestMeasured:
    def test_the_median_of_the_latest_trainings_counts(self, do: Do, known: Callable[[], Paces]) -> None:
        do(run("mlp_2", 1000.0))
        for seconds in (1.2, 2.4, 24.0, 3.6, 4.8)[:FEW]:
            do(run("mlp_2", seconds))
        found = known().of(unit())
        assert found.seconds == pytest.approx(3.6 / STEPS)
        assert found.told == "mlp_2 on digits, batch 128: measured here on cpu x86_64, in 5 trainings"

    def test_what_another_job_did_is_not_measured_again(self, do: Do, known: Callable[[], Paces]) -> None:
        do(run("mlp_2", 1.2), run("mlp_2", 99.0, shared=True))
        assert known().of(unit()).seconds == pytest.approx(0.1)

    def test_replicates_that_went_together_count_for_such(self, do: Do, known: Callable[[], Paces]) -> None:
        do(run("mlp_2", 1.2, together=3, counted=3), run("mlp_2", 2.4))
        assert known().of(unit(together=3)).seconds == pytest.approx(0.1)
        assert known().of(unit(together=1)).seconds == pytest.approx(0.2)
        assert known().of(unit(together=2)).seconds == pytest.approx(0.15)

    def test_only_the_latest_device_counts(self, do: Do, known: Callable[[], Paces]) -> None:
        do(run("mlp_2", 1.2, fingerprint={"device": "cuda H100"}))
        do(run("mlp_2", 12.0))
        assert known().of(unit()).seconds == pytest.approx(1.0)

    def test_trainings_from_before_speeds_were_measured_tell_nothing(
        self, do: Do, known: Callable[[], Paces]
    ) -> None:
        do(run("mlp_2", 1.2, speed=None))
        assert known().measured == []


class TestOperations:
    def test_a_relative_lends_its_rate(self, do: Do, known: Callable[[], Paces]) -> None:
        do(run("mlp_2", 1.2))
        # Written out: 64·300 + 2·300² + 300·100 + 100·10 and so on, of each a product forward and two backward.
        of_2, of_4 = (64 * 300 + (n - 1) * 300**2 + 300 * 100 + 100 * 10 for n in (2, 4))
        found = known().of(unit("mlp_4"))
        assert found.seconds == pytest.approx(0.1 * of_4 / of_2)
        assert "as measured here on mlp_2, of its family" in found.told

    def test_a_smaller_batch_takes_fewer_operations(self, do: Do, known: Callable[[], Paces]) -> None:
        do(run("mlp_2", 1.2))
        # 12 steps an epoch become 45.
        assert known().of(unit(batch=32)).seconds == pytest.approx(0.1 * 12 / 45)

    def test_else_any_network_does(self, do: Do, known: Callable[[], Paces]) -> None:
        do(run("mlp_2", 1.2))
        found = known().of(unit("cifar_resnet_8"))
        assert "as measured here on mlp_2, of another family" in found.told
        assert found.seconds is not None
        assert found.seconds > 0.1

    def test_where_nothing_was_trained_a_product_is_timed(self, known: Callable[[], Paces]) -> None:
        found = known().of(unit())
        assert "guessed: 50% of what a float32 product reaches on this machine" in found.told
        assert found.seconds is not None
        assert 0 < found.seconds < 1
        assert product_rate() > 1e8


class TestOverhead:
    def test_of_one_size_of_job_it_is_level(self, do: Do, known: Callable[[], Paces]) -> None:
        for seconds in (3.0, 4.0, 90.0):
            do(run("mlp_2", 1.0), seconds=seconds)
        beside = known().overhead("train", "digits")
        assert beside is not None
        assert (beside.seconds, beside.each) == (3.0, 0.0)

    def test_of_several_sizes_it_grows_with_the_trainings(self, do: Do, known: Callable[[], Paces]) -> None:
        do(run("mlp_2", 1.0), seconds=3.0)
        do(*[run("mlp_2", 1.0)] * 5, seconds=5 + 4.0)
        beside = known().overhead("train", "digits")
        assert beside is not None
        assert (beside.seconds, beside.each) == (pytest.approx(1.5), pytest.approx(0.5))

    def test_another_dataset_s_does_where_there_is_none(self, do: Do, known: Callable[[], Paces]) -> None:
        do(run("mlp_2", 1.0), seconds=3.0)
        assert known().overhead("train", "mnist") == known().overhead("train", "digits")
        assert known().overhead("find", "digits") is None

    def test_the_way_to_the_rewind_point_is_no_overhead(self, do: Do, known: Callable[[], Paces]) -> None:
        spec = FindSpec(architecture="mlp_2", dataset="digits").complete("mlp")
        # 6 steps before the first level, at its pace of a tenth of a second.
        do(run("mlp_2", 1.2, level=0, start_step=6), seconds=1.2 + 0.6 + 2.0, spec=spec)
        beside = known().overhead("find", "digits")
        assert beside is not None
        assert beside.seconds == pytest.approx(2.0)
