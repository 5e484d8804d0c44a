"""Jobs on several devices, here two processes that exchange by gloo: done as on one, ended as one."""

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from core.catalog.artifacts import LocalStore
from core.jobs.methods import ImpParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import FindSpec, TrainSpec
from core.jobs.states import State
from core.tickets.weights import read_weights
from tests.workers.conftest import wait_until

if TYPE_CHECKING:
    from tests.workers.conftest import Fleet


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def find(devices: int, length: str = "8ep") -> FindSpec:
    """17 steps an epoch, the last of 3 images: shares of 42 and 43, and of 1 and 2."""
    return FindSpec(
        architecture="mlp_2",
        dataset="digits",
        parameters=ImpParameters(level=2),
        # Under few seeds does a rounding tip one of the five million ReLUs of such a training; under this one, none.
        seeds=[1],
        recipe=RecipeChoice(length=length, momentum=0.9, lr=0.02, rewind="7it", batch=85),
        exact=True,
        devices=devices,
        fresh=True,
    ).complete("mlp")


def endless() -> TrainSpec:
    recipe = RecipeChoice(length="100000ep")
    return TrainSpec(architecture="mlp_2", dataset="digits", recipe=recipe, devices=2).complete("mlp")


def ranks(fleet: "Fleet") -> list[psutil.Process]:
    """Both ranks of the running trainer, once they are there."""
    trainer = psutil.Process(fleet.pid("trainer"))
    wait_until(lambda: len(trainer.children()) == 2, 20, "two ranks")
    return trainer.children()


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def weights(fleet: "Fleet", job_id: str) -> list[dict[str, np.ndarray]]:
    """What each training of a job ended with."""
    store = LocalStore(fleet.settings.artifact_directory)
    return [dict(read_weights(store.path(run.weights_digest))) for run in fleet.runs(job_id)]


def made(fleet: "Fleet", job_id: str) -> list[str]:
    """Digests of all that a job made."""
    return [*fleet.tickets(job_id), *(run.weights_digest for run in fleet.runs(job_id))]


class TestTwoDevices:
    @pytest.mark.nightly
    def test_a_job_ends_as_on_one_device_also_when_a_rank_is_killed(self, fleet: "Fleet") -> None:
        alone, together = fleet.submit(find(1)), fleet.submit(find(2))
        assert fleet.result(alone).state == State.SUCCEEDED
        job = fleet.result(together)
        assert job.state == State.SUCCEEDED, job.error
        # The masks of later levels hang on the last bits of these.
        one, two = weights(fleet, alone)[0], weights(fleet, together)[0]
        assert max(np.abs(one[name] - two[name]).max() for name in one) < 1e-4
        assert [run.fingerprint["devices"] for run in fleet.runs(together)] == [2, 2]
        assert len([event for event in fleet.events(together) if event.kind == "epoch"]) == 1 + 2 * 8

        for victim in (0, 1):
            disturbed = fleet.submit(find(2))
            fleet.until_training(disturbed)
            os.kill(ranks(fleet)[victim].pid, signal.SIGKILL)
            job = fleet.result(disturbed)
            assert (job.state, job.attempt) == (State.SUCCEEDED, 2), job.error
            assert made(fleet, disturbed) == made(fleet, together)
            told = [event.data["text"] for event in fleet.events(disturbed) if event.kind == "log"]
            assert any(f"rank {victim} ended: Signal 9 (SIGKILL)" in text for text in told), told

        steep = find(2).recipe.model_copy(update={"lr": 100.0})
        job = fleet.result(fleet.submit(find(2).model_copy(update={"recipe": steep})))
        assert (job.state, job.attempt) == (State.FAILED, 1)
        assert job.error is not None
        assert "Diverged" in job.error["message"]

    def test_no_rank_outlives_its_job(self, fleet: "Fleet") -> None:
        for end in ("cancel", "trainer", "supervisor"):
            job_id = fleet.submit(endless())
            fleet.until_training(job_id)
            running = ranks(fleet)
            if end != "cancel":
                os.kill(fleet.pid("trainer" if end == "trainer" else "child"), signal.SIGKILL)
            fleet.cancel(job_id)
            wait_until(lambda: all(map(gone, running)), 5, f"the end of both ranks after {end}")  # noqa: B023
            assert fleet.result(job_id).state == State.CANCELLED


class TestTwoMachines:
    @pytest.mark.nightly
    def test_ranks_of_two_agents_end_as_those_of_one(self, fleet: "Fleet") -> None:
        together = fleet.submit(find(2, "4ep"))
        assert fleet.result(together).state == State.SUCCEEDED
        fleet.kill("worker")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        fleet.environment |= {"ELASTICKET_NODES": "2", "ELASTICKET_RENDEZVOUS": f"127.0.0.1:{port}"}
        fleet.environment["GLOO_SOCKET_IFNAME"] = "lo"
        fleet.start("worker")
        second = [sys.executable, "-m", "workers.node", "1", "--devices", "1"]
        with subprocess.Popen(second, env=fleet.environment) as node:
            try:
                for _ in range(2):
                    apart = fleet.submit(find(2, "4ep"))
                    fleet.until_training(apart)
                    (theirs,) = psutil.Process(node.pid).children()
                    job = fleet.result(apart)
                    assert job.state == State.SUCCEEDED, job.error
                    assert made(fleet, apart) == made(fleet, together)
            finally:
                node.kill()
        wait_until(lambda: gone(theirs), 5, "the end of the other machine's rank")

        job = fleet.result(fleet.submit(find(3)))
        assert (job.state, job.attempt) == (State.FAILED, 1)
        assert job.error is not None
        assert job.error["reason"] == "devices_unavailable"
