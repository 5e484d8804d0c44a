"""Jobs that leave their worker, and jobs that share one: real processes on a worker whose devices are declared."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from core.catalog import pools
from core.catalog.tables import Job, Pool
from core.jobs.methods import ImpParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import FindSpec, TrainSpec
from core.jobs.states import State
from tests.workers.conftest import wait_until

if TYPE_CHECKING:
    from tests.workers.conftest import Fleet

LENGTH = "100ep"
SETTINGS = {"checkpoint_seconds": 3600}
"""Nothing is saved but on leaving, and at a training's end."""


def find(length: str) -> FindSpec:
    spec = FindSpec(
        architecture="mlp_2",
        dataset="digits",
        parameters=ImpParameters(level=1),
        recipe=RecipeChoice(length=length, momentum=0.9, lr=0.02, rewind="7it"),
        exact=True,
        fresh=True,
    )
    return spec.complete("mlp")


def brief() -> TrainSpec:
    spec = TrainSpec(architecture="mlp_1", dataset="digits", recipe=RecipeChoice(length="1ep"), fresh=True)
    return spec.complete("mlp")


def endless(memory_mib: int | None = None) -> TrainSpec:
    recipe = RecipeChoice(length="100000ep")
    spec = TrainSpec(
        architecture="mlp_1", dataset="digits", recipe=recipe, device="gpu", memory_mib=memory_mib
    )
    return spec.complete("mlp")


def attempt_takes_steps(fleet: Fleet, job_id: str, attempt: int) -> None:
    """Wait until an attempt, and not one before it, has gone on."""

    def goes_on() -> bool:
        job = fleet.job(job_id)
        here = job.progress and job.attempt == attempt and job.state == State.RUNNING
        return bool(here and job.progress["done"] > before)

    job = fleet.job(job_id)
    before = (job.progress or {"done": 0})["done"]
    wait_until(goes_on, what=f"steps of attempt {attempt}; {fleet.job(job_id).state}")


@pytest.mark.timeout(180)
class TestLeaving:
    def test_whoever_asks_a_job_saves_its_state_and_ends_in_the_bits_of_one_left_alone(
        self, fleet: Fleet
    ) -> None:
        job_id = fleet.submit(find(LENGTH))
        attempt_takes_steps(fleet, job_id, 1)

        urgent = fleet.submit(brief(), priority=50)
        assert fleet.result(urgent).state == State.SUCCEEDED
        attempt_takes_steps(fleet, job_id, 2)

        pool = fleet.pool
        with fleet.database.everywhere().write() as session:
            assert pools.drain(session, pool, at_once=True) is not None
        wait_until(lambda: fleet.job(job_id).state == State.QUEUED, what="the drain")
        with fleet.database.everywhere().write() as session:
            pools.drain(session, fleet.pool, drained=False)
        attempt_takes_steps(fleet, job_id, 3)

        notice = time.monotonic()
        fleet.processes["worker"].send_signal(signal.SIGTERM)
        fleet.processes["worker"].wait()
        assert time.monotonic() - notice < 10
        left = fleet.job(job_id)
        assert (left.state, left.pool, left.gives_way) == (State.QUEUED, None, None)
        with fleet.database.read() as session:
            assert session.get(Pool, fleet.pool) is None
        fleet.start("worker")

        done = fleet.result(job_id)
        assert (done.state, done.attempt, done.max_attempts, done.gave_way) == (State.SUCCEEDED, 4, 13, 1)
        with fleet.database.read() as session:
            told = [one.outcome for one in session.get_one(Job, job_id).attempts]
        assert told == [
            f"it gave way to job {urgent} of priority 50",
            f"worker {pool} was drained",
            "the worker was stopped",
            "succeeded",
        ]
        # No epoch was ended twice: every attempt went on at the step at which the one before it was asked.
        epochs = [event.data for event in fleet.events(job_id) if event.kind == "epoch"]
        ended = [(data["training"], data["step"]) for data in epochs]
        assert len(ended) == len(set(ended))
        alone = fleet.submit(find(LENGTH))
        fleet.result(alone)
        assert fleet.tickets(alone) == fleet.tickets(job_id)
        weights = [[run.weights_digest for run in fleet.runs(one)] for one in (alone, job_id)]
        assert weights[0] == weights[1]


@pytest.mark.nightly
@pytest.mark.timeout(180)
class TestSharing:
    def test_as_many_small_jobs_share_a_gpu_as_its_memory_holds(self, fleet: Fleet) -> None:
        fleet.slots = 3
        fleet.restart(gpus=1, gpu_memory_mib=1100, slots=3)
        made = [fleet.submit(endless(512)) for _ in range(3)]

        def running() -> set[str]:
            return {one for one in made if fleet.job(one).state == State.RUNNING}

        wait_until(lambda: len(running()) == 2, what="two of them")
        (waits,) = set(made) - running()
        time.sleep(2)
        assert fleet.job(waits).state == State.QUEUED
        assert [fleet.job(one).gpus for one in running()] == [[0], [0]]
        fleet.cancel(running().pop())
        wait_until(lambda: waits in running(), what="the third")
        for one in made:
            fleet.cancel(one)

    def test_what_needs_a_gpu_is_left_alone_by_a_worker_without(self, fleet: Fleet) -> None:
        job, other = fleet.submit(endless()), fleet.submit(brief())
        assert fleet.result(other).state == State.SUCCEEDED
        assert fleet.job(job).state == State.QUEUED
        fleet.restart(gpus=1)
        wait_until(lambda: fleet.job(job).state == State.RUNNING, what="its start")
        fleet.cancel(job)
