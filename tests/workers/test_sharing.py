"""Trainings that several jobs need, run by real workers: done once, whoever is killed meanwhile."""

import itertools
import os
import signal
from typing import TYPE_CHECKING, ClassVar

import psutil
import pytest

from core.catalog.tables import Run
from core.jobs.methods import ImpParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import FindSpec
from core.jobs.states import State
from tests.workers.conftest import wait_until

if TYPE_CHECKING:
    from tests.workers.conftest import Fleet

WAITS = "another job is at this training: waiting for it"
TRUNK = ", to the rewind point"
SEEDS = itertools.count()
"""One for each test: what a test before it trained is shared too."""


def find(level: int, length: str = "4ep", *, fresh: bool = False, seed: int = 0) -> FindSpec:
    return FindSpec(
        architecture="mlp_2",
        dataset="digits",
        parameters=ImpParameters(level=level),
        recipe=RecipeChoice(length=length, momentum=0.9, lr=0.02, rewind="7it"),
        exact=True,
        fresh=fresh,
        seeds=[seed],
    ).complete("mlp")


def trained(fleet: "Fleet", job_id: str) -> list[Run]:
    """The runs of a job that it trained itself."""
    return [run for run in fleet.runs(job_id) if not run.shared]


def trunks(fleet: "Fleet", job_ids: list[str]) -> int:
    """How many of these jobs went to the rewind point themselves."""
    return sum(f"{TRUNK}: another job has trained it" not in fleet.log_of(job_id) for job_id in job_ids)


def six_at_once_train_every_level_once(fleet: "Fleet") -> None:
    seed = next(SEEDS)
    job_ids = [fleet.submit(find(level, seed=seed)) for level in range(1, 7)]
    for job_id in job_ids:
        assert fleet.result(job_id).state == State.SUCCEEDED, fleet.log_of(job_id)
    levels = [run.level for job_id in job_ids for run in trained(fleet, job_id)]
    assert sorted(levels) == list(range(6))
    assert trunks(fleet, job_ids) == 1
    shared = {fleet.tickets(job_id)[0] for job_id in job_ids}
    alone = [fleet.submit(find(level, fresh=True, seed=seed)) for level in (1, 6)]
    for job_id in alone:
        assert fleet.result(job_id).state == State.SUCCEEDED
        assert not any(run.shared for run in fleet.runs(job_id))
    assert len(shared) == 6
    assert {fleet.tickets(job_id)[0] for job_id in alone} < shared


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.standing
class TestSixJobs:
    def test_on_two_slots_train_every_level_once(self, fleet: "Fleet") -> None:
        six_at_once_train_every_level_once(fleet)


@pytest.mark.nightly
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestSixSlots:
    # A lease that runs out under such a load makes the next attempt share what the one before trained.
    SETTINGS: ClassVar = {"slots": 6, "lease_seconds": 60}

    def test_six_jobs_at_once_train_every_level_once(self, fleet: "Fleet") -> None:
        six_at_once_train_every_level_once(fleet)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.standing
class TestTwoJobs:
    """One trains, and the other, which needs the same, waits."""

    @pytest.fixture
    def pair(self, fleet: "Fleet") -> tuple[str, str]:
        seed = next(SEEDS)
        first = fleet.submit(find(1, "300ep", seed=seed))
        wait_until(lambda: (fleet.job(first).progress or {}).get("done", 0) > 7, 30)
        second = fleet.submit(find(1, "300ep", seed=seed))
        wait_until(lambda: WAITS in fleet.log_of(second), 30)
        return first, second

    @staticmethod
    def trainer(fleet: "Fleet", job_id: str) -> psutil.Process:
        """The trainer of a job: that of the worker whose process id the job's worker is called by."""
        worker = psutil.Process(int(str(fleet.job(job_id).worker).rpartition(":")[2]))
        (trainer,) = [grandchild for zygote in worker.children() for grandchild in zygote.children()]
        return trainer

    @pytest.mark.nightly
    def test_the_one_that_trains_is_killed_and_the_other_takes_over(
        self, fleet: "Fleet", pair: tuple[str, str]
    ) -> None:
        first, second = pair
        os.kill(self.trainer(fleet, first).pid, signal.SIGKILL)
        # The killed one goes on from its own saved state, and waits for nobody.
        for job_id in pair:
            job = fleet.result(job_id)
            assert job.state == State.SUCCEEDED, job.error
            assert len(trained(fleet, job_id)) == 1
        assert fleet.job(first).attempt == 2
        assert fleet.job(second).attempt == 1
        assert fleet.tickets(first) == fleet.tickets(second)
        assert fleet.runs(first)[0].weights_digest == fleet.runs(second)[0].weights_digest

    @pytest.mark.nightly
    def test_the_one_that_waits_is_cancelled_at_once_and_the_other_trains_on(
        self, fleet: "Fleet", pair: tuple[str, str]
    ) -> None:
        first, second = pair
        waiting = self.trainer(fleet, second)
        fleet.cancel(second)
        wait_until(lambda: fleet.job(second).state == State.CANCELLED, 5)
        assert not waiting.is_running() or waiting.status() == psutil.STATUS_ZOMBIE
        assert fleet.result(first).state == State.SUCCEEDED
        assert fleet.job(first).attempt == 1

    @pytest.mark.nightly
    def test_waiting_longer_than_a_lease_loses_nothing(self, fleet: "Fleet", pair: tuple[str, str]) -> None:
        first, second = pair
        os.kill(self.trainer(fleet, first).pid, signal.SIGSTOP)
        beat = fleet.job(second).lease_until
        assert beat is not None
        wait_until(lambda: (fleet.job(second).lease_until or 0) > beat + fleet.lease_seconds, 30)
        os.kill(self.trainer(fleet, first).pid, signal.SIGCONT)
        # The second may be the first to be done.
        assert [fleet.result(job).state for job in pair] == [State.SUCCEEDED] * 2
        assert fleet.job(second).attempt == fleet.job(first).attempt == 1
        assert trained(fleet, second) == []
        assert fleet.tickets(first) == fleet.tickets(second)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.standing
class TestFresh:
    def test_it_trains_all_of_it_again_and_what_it_trained_serves_others(self, fleet: "Fleet") -> None:
        seed, made = next(SEEDS), []
        for level, fresh, levels in ((1, False, [0]), (2, True, [0, 1]), (3, False, [2])):
            made.append(job_id := fleet.submit(find(level, fresh=fresh, seed=seed)))
            assert fleet.result(job_id).state == State.SUCCEEDED
            assert [run.level for run in trained(fleet, job_id)] == levels
        assert trunks(fleet, made) == 2
