"""The artifact store full, or its files damaged, as real workers meet it."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.catalog import attempts, jobs, tickets
from core.catalog.artifacts import LocalStore
from core.jobs.methods import ImpParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import FindSpec, TrainSpec, TransformSpec
from core.jobs.states import State
from core.settings import Settings

if TYPE_CHECKING:
    from tests.workers.conftest import Fleet

ONE = [pytest.param("sqlite"), pytest.param("postgresql", marks=pytest.mark.nightly)]


def find(*, exact: bool = True) -> FindSpec:
    return FindSpec(
        architecture="mlp_2",
        dataset="digits",
        parameters=ImpParameters(level=1),
        recipe=RecipeChoice(length="2ep", rewind="5it"),
        exact=exact,
        fresh=True,
    ).complete("mlp")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


@pytest.mark.parametrize("database_url", ONE, indirect=True)
@pytest.mark.standing
class TestDamagedInput:
    def test_a_job_names_it_and_the_job_that_makes_it_again_restores_it(self, fleet: "Fleet") -> None:
        found = fleet.result(fleet.submit(find()))
        assert found.state == State.SUCCEEDED
        (identity,) = fleet.tickets(found.id)
        with fleet.database.read() as session:
            ticket = tickets.get(session, identity)
        assert ticket is not None
        store = LocalStore(fleet.settings.artifact_directory)
        stretch = TransformSpec(tickets=[ticket.id], architecture="mlp_3")
        harms: dict[str, Callable[[Path], None]] = {"input_damaged": flip, "input_missing": Path.unlink}
        for reason, harm in harms.items():
            harm(store.path(ticket.file_digest))
            job = fleet.result(fleet.submit(stretch))
            assert (job.state, job.attempt) == (State.FAILED, 1)
            assert job.error is not None
            assert job.error["reason"] == reason, job.error
            assert ticket.file_digest in job.error["message"]
            assert fleet.result(fleet.submit(find())).state == State.SUCCEEDED
            assert store.has_intact(ticket.file_digest)
        assert fleet.result(fleet.submit(stretch)).state == State.SUCCEEDED


@pytest.fixture
def disk(settings: Settings) -> Iterator[Path]:
    """The artifact store on a disk of 32 MiB of its own, where this user may mount one."""
    (folder := settings.artifact_directory).mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    with (ballast := disk / "ballast").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            file.truncate(max(0, file.tell() - leave))
    return ballast


@pytest.mark.parametrize("database_url", ONE, indirect=True)
class TestFullDisk:
    def test_a_job_says_which_and_succeeds_when_there_is_room_again(self, disk: Path, fleet: "Fleet") -> None:
        # Room for the folders, and for half a ticket.
        ballast = fill(disk, leave=65536)
        job = fleet.result(fleet.submit(find()))
        assert job.state == State.FAILED
        assert job.error is not None
        assert (job.error["reason"], job.error["message"]) == ("disk_full", f"disk full: {disk}")
        store = LocalStore(disk)
        for path in disk.glob("[0-9a-f][0-9a-f]/*"):
            assert store.has_intact(path.name)
        assert not list(disk.glob(".staged-*"))
        ballast.unlink()
        with fleet.database.write() as session:
            again = jobs.retry(session, job, find(), 3)
            assert again is not None
        assert fleet.result(again.id).state == State.SUCCEEDED

    @pytest.mark.nightly
    def test_a_training_goes_on_without_saving_and_saves_again_when_there_is_room(
        self, disk: Path, fleet: "Fleet"
    ) -> None:
        recipe = RecipeChoice(length="100000ep")
        job_id = fleet.submit(
            TrainSpec(architecture="mlp_1", dataset="digits", recipe=recipe).complete("mlp")
        )
        fleet.until_training(job_id)

        def latest() -> int:
            with fleet.database.read() as session:
                return max(saved.step for saved in attempts.checkpoints(session, job_id))

        from tests.workers.conftest import wait_until

        ballast = fill(disk)
        wait_until(lambda: f"disk full: {disk / 'scratch' / job_id}" in fleet.log_of(job_id), 30)
        saved = latest()
        ballast.unlink()
        wait_until(lambda: latest() > saved, 30)
        assert (fleet.job(job_id).state, fleet.job(job_id).attempt) == (State.RUNNING, 1)
        fleet.cancel(job_id)
        assert fleet.result(job_id).state == State.CANCELLED
