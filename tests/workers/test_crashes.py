"""Every process killed with SIGKILL in the middle of a job: the job ends, and with the same weights."""

import os
import signal
import time
from typing import TYPE_CHECKING, ClassVar

import psutil
import pytest

from core.catalog import attempts, jobs
from core.catalog.tables import Job
from core.jobs.methods import ImpParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import FindSpec, TrainSpec
from core.jobs.states import State
from tests.workers.conftest import wait_until

if TYPE_CHECKING:
    from tests.workers.conftest import Fleet


def exact_find() -> FindSpec:
    return FindSpec(
        architecture="mlp_2",
        dataset="digits",
        parameters=ImpParameters(level=3),
        seeds=[0],
        recipe=RecipeChoice(length="30ep", momentum=0.9, lr=0.02, rewind="7it"),
        exact=True,
        fresh=True,
    ).complete("mlp")


def endless() -> TrainSpec:
    return TrainSpec(architecture="mlp_3", dataset="digits", recipe=RecipeChoice(length="100000ep")).complete(
        "mlp"
    )


def digests(fleet: "Fleet", job_id: str) -> list[str]:
    return [*fleet.tickets(job_id), *(run.weights_digest for run in fleet.runs(job_id))]


def kill_trainer(fleet: "Fleet") -> int:
    killed = fleet.pid("trainer")
    os.kill(killed, signal.SIGKILL)
    return killed


def kill_zygote(fleet: "Fleet") -> None:
    os.kill(fleet.pid("zygote"), signal.SIGKILL)


def kill_celery_child(fleet: "Fleet") -> None:
    os.kill(fleet.pid("child"), signal.SIGKILL)


def kill_worker(fleet: "Fleet") -> None:
    fleet.kill("worker")
    fleet.start("worker")


def kill_valkey(fleet: "Fleet") -> None:
    fleet.kill("valkey")
    fleet.start("valkey")


def kill_dispatcher(fleet: "Fleet") -> None:
    fleet.kill("dispatcher")
    fleet.start("dispatcher")


def kill_everything(fleet: "Fleet") -> None:
    for name in ("valkey", "worker", "dispatcher"):
        fleet.kill(name)
    for name in ("valkey", "worker", "dispatcher"):
        fleet.start(name)


class TestKills:
    @pytest.mark.nightly
    def test_every_kill_in_the_middle_of_a_job_ends_in_the_same_weights(self, fleet: "Fleet") -> None:
        undisturbed = fleet.submit(exact_find())
        assert fleet.result(undisturbed).attempt == 1
        expected = digests(fleet, undisturbed)
        assert len(expected) == 4
        for kill in (
            kill_trainer,
            kill_zygote,
            kill_celery_child,
            kill_worker,
            kill_valkey,
            kill_dispatcher,
            kill_everything,
        ):
            disturbed = fleet.submit(exact_find())
            fleet.until_training(disturbed)
            kill(fleet)
            job = fleet.result(disturbed)
            assert job.state == State.SUCCEEDED, (kill.__name__, job.error)
            assert digests(fleet, disturbed) == expected, kill.__name__

    @pytest.mark.nightly
    def test_jobs_accepted_while_the_broker_is_away_are_done_when_it_is_back(self, fleet: "Fleet") -> None:
        fleet.kill("valkey")
        accepted = [fleet.submit(exact_find()) for _ in range(2)]
        fleet.start("valkey")
        assert [fleet.result(job_id).state for job_id in accepted] == [State.SUCCEEDED] * 2

    def test_hints_lost_with_the_broker_are_repeated(self, fleet: "Fleet") -> None:
        fleet.kill("worker")
        accepted = fleet.submit(exact_find())
        wait_until(lambda: fleet.job(accepted).hinted_at, 10)
        fleet.kill("valkey")
        fleet.start("valkey")
        fleet.start("worker")
        assert fleet.result(accepted).state == State.SUCCEEDED


class TestAlwaysKilled:
    # Attempts that save a training state do not count.
    SETTINGS: ClassVar = {"checkpoint_seconds": 3600}

    def test_a_trainer_that_always_dies_fails_the_job_at_the_last_attempt(self, fleet: "Fleet") -> None:
        job_id = fleet.submit(endless(), max_attempts=2)
        for attempt in (1, 2):
            wait_until(lambda: fleet.job(job_id).attempt == attempt, 20)  # noqa: B023
            killed = kill_trainer(fleet)
            # The next attempt's may be there before this one is seen to be gone.
            wait_until(lambda: killed not in fleet.descendants()["trainer"], 20)  # noqa: B023
        job = fleet.result(job_id)
        assert job.state == State.FAILED
        assert job.error is not None
        assert job.error["reason"] == "attempts_exhausted"
        assert "SIGKILL" in job.error["message"]


@pytest.mark.standing
class TestScratch:
    def test_training_states_that_are_superseded_are_removed_and_so_are_an_ended_jobs(
        self, fleet: "Fleet"
    ) -> None:
        job_id = fleet.submit(endless())
        folder = fleet.settings.scratch_directory / job_id

        def saved(step: int) -> bool:
            with fleet.database.read() as session:
                return any(state.step >= step for state in attempts.checkpoints(session, job_id))

        wait_until(lambda: saved(500), 30)
        # Two that are pointed to, and those of a heartbeat in the making.
        assert len([path for path in folder.rglob("*") if path.is_file()]) <= 6
        fleet.cancel(job_id)
        wait_until(lambda: not folder.exists(), 10)


@pytest.mark.standing
class TestSupervisor:
    def test_an_error_of_its_own_ends_the_attempt_and_not_the_slot(self, fleet: "Fleet") -> None:
        broken = fleet.submit(endless(), max_attempts=1)
        with fleet.database.write() as session:
            # As an older version may have left it: no longer a spec.
            session.get_one(Job, broken).spec = {"kind": "unheard of"}
        job = fleet.result(broken, 30)
        assert job.state == State.FAILED
        assert job.error is not None
        assert "unheard of" in job.error["message"]
        assert fleet.result(fleet.submit(exact_find())).state == State.SUCCEEDED


class TestOrphans:
    @pytest.mark.parametrize("victim", [pytest.param("child", marks=pytest.mark.nightly), "worker", "zygote"])
    def test_no_trainer_outlives_its_supervisor(self, fleet: "Fleet", victim: str) -> None:
        job_id = fleet.submit(endless())
        trainer = psutil.Process(fleet.pid("trainer"))
        wait_until(lambda: (fleet.job(job_id).progress or {}).get("done"), 20)
        if victim == "zygote":
            # The trainer's own parent: its supervisor lives on and goes on with it.
            kill_zygote(fleet)
            time.sleep(0.5)
            assert trainer.is_running()
            kill_celery_child(fleet)
        elif victim == "child":
            kill_celery_child(fleet)
        else:
            fleet.kill("worker")
        wait_until(lambda: not trainer.is_running() or trainer.status() == psutil.STATUS_ZOMBIE, 5)
        fleet.cancel(job_id)

    def test_a_stopped_worker_gives_its_job_back_at_once(self, fleet: "Fleet") -> None:
        job_id = fleet.submit(endless(), max_attempts=1)
        trainer = psutil.Process(fleet.pid("trainer"))
        fleet.processes["worker"].terminate()
        fleet.processes["worker"].wait(10)
        assert fleet.job(job_id).state == State.QUEUED
        assert not trainer.is_running() or trainer.status() == psutil.STATUS_ZOMBIE


@pytest.mark.standing
class TestTimeLeft:
    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    def test_is_told_of_a_resumed_job_by_the_pace_of_its_new_attempt(self, fleet: "Fleet") -> None:
        job_id = fleet.submit(endless())

        def left() -> float | None:
            return (fleet.job(job_id).progress or {}).get("eta_seconds")

        fleet.until_training(job_id)
        # Nobody knows after so few steps, nor does the next attempt when it begins.
        assert left() is None
        kill_trainer(fleet)
        wait_until(lambda: left() is not None, 30)
        job = fleet.job(job_id)
        assert job.attempt == 2
        assert job.progress is not None
        assert job.started_at is not None
        # At the first attempt's start there was nothing done: its average can only be slower.
        rest = job.progress["total"] - job.progress["done"]
        with fleet.database.write() as session:
            elapsed = jobs.clock(session) - job.started_at
            jobs.cancel(session, job_id)
        assert job.progress["eta_seconds"] > 0
        assert job.progress["eta_seconds"] < 2 * elapsed * rest / job.progress["done"]


class TestCancel:
    def test_while_queued_and_while_running(self, fleet: "Fleet") -> None:
        running, waiting = fleet.submit(endless()), fleet.submit(endless())
        trainer = fleet.pid("trainer")
        wait_until(lambda: (fleet.job(running).progress or {}).get("done"), 20)
        with fleet.database.write() as session:
            assert jobs.cancel(session, waiting)
        assert fleet.job(waiting).state == State.CANCELLED
        with fleet.database.write() as session:
            assert jobs.cancel(session, running)
        began = time.monotonic()
        wait_until(lambda: fleet.job(running).state == State.CANCELLED, 5)
        following = fleet.submit(exact_find())
        wait_until(lambda: fleet.job(following).state == State.RUNNING, 5 - (time.monotonic() - began))
        assert not psutil.pid_exists(trainer)


@pytest.mark.standing
class TestStubborn:
    def test_a_trainer_that_ignores_sigterm_is_killed(self, fleet: "Fleet") -> None:
        job_id = fleet.submit(endless())
        os.kill(fleet.pid("trainer"), signal.SIGSTOP)
        fleet.cancel(job_id)
        wait_until(lambda: fleet.job(job_id).state == State.CANCELLED, 5)


@pytest.mark.standing
class TestHints:
    @pytest.mark.nightly
    def test_a_job_announced_many_times_is_done_once(self, fleet: "Fleet") -> None:
        job_id = fleet.submit(exact_find())
        for _ in range(5):
            with fleet.database.write() as session:
                jobs.enqueue(session, job_id, "any")
        assert fleet.result(job_id).attempt == 1
        fleet.result(fleet.submit(exact_find()))
        assert fleet.job(job_id).attempt == 1
