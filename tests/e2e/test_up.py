"""The whole service as its users meet it: scripts, round trips, kills, the demo's experiment, a clean stop."""

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from api.client import Client
from cli.comparison import failures
from core.studies.arms import RIVALS
from core.tickets import read, ticket_id

if TYPE_CHECKING:
    from tests.e2e.conftest import Installation

SCRIPTS = Path(__file__).parents[2] / "scripts"
EXACT: dict[str, Any] = {
    "architecture": "mlp_2",
    "dataset": "digits",
    "parameters": {"level": 3},
    "recipe": {"length": "45ep", "momentum": 0.9, "lr": 0.02, "rewind": "7it"},
    "exact": True,
    "fresh": True,
}


def digests(job: dict[str, Any]) -> list[str]:
    return [*job["outputs"]["tickets"], *(run["weights_digest"] for run in job["outputs"]["runs"])]


def runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class TestScripts:
    def test_the_walkthrough_runs_as_written(self, installation: "Installation") -> None:
        environment = os.environ | {"ELASTICKET_SERVER": installation.url}
        done = subprocess.run(
            [SCRIPTS / "walkthrough.sh"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "the same ticket" in done.stdout


class TestRoundTrip:
    def test_a_ticket_found_here_keeps_its_id_and_its_bytes_elsewhere(
        self, installation: "Installation", elsewhere: "Installation", tmp_path: Path
    ) -> None:
        spec = {
            "architecture": "cifar_resnet_8_4",
            "dataset": "digits",
            "recipe": {"length": "2ep", "rewind": "3it"},
        }
        found = installation.succeeded(installation.submit("find", spec | {"parameters": {"level": 2}}))
        (identity,) = found["outputs"]["tickets"]
        data = installation.http.get(f"/tickets/{identity}/file").content
        made = elsewhere.http.post(
            "/tickets", content=data, headers={"Content-Type": "application/octet-stream"}
        )
        assert (made.status_code, made.json()["id"]) == (201, identity)
        assert elsewhere.http.get(f"/tickets/{identity}/file").content == data

        (path := tmp_path / "ticket").write_bytes(data)
        file = read(path)
        assert ticket_id(file.ticket) == identity
        tensors = file.ticket.architecture.tensors
        masks = sum(-(-spec.size // 8) for spec in tensors if spec.prunable)
        dense = sum(spec.size * (8 if spec.dtype == "I64" else 4) for spec in tensors if not spec.prunable)
        counted = made.json()["survivors"] * 4 + masks + dense
        assert made.json()["file"]["payload"] == counted
        assert made.json()["file"]["header"] == len(data) - counted


@pytest.mark.nightly
@pytest.mark.timeout(300)
class TestKills:
    def test_each_process_killed_in_the_middle_of_a_job_changes_nothing(
        self, installation: "Installation"
    ) -> None:
        undisturbed = installation.succeeded(installation.submit("find", EXACT))
        for victim in ("uvicorn", "valkey", "celery", "workers.dispatcher"):
            disturbed = installation.submit("find", EXACT)
            installation.wait_until(lambda: installation.job(disturbed)["progress"], 30)  # noqa: B023
            installation.kill(victim)
            assert digests(installation.succeeded(disturbed)) == digests(undisturbed), victim
            installation.wait_until(installation.healthy, 30)


class TestReuse:
    @pytest.mark.nightly
    def test_the_second_of_two_identical_finds_is_answered_within_a_second(
        self, installation: "Installation"
    ) -> None:
        spec = {key: value for key, value in EXACT.items() if key != "fresh"} | {"seeds": [5, 6]}
        first = installation.succeeded(installation.submit("find", spec))
        began = time.monotonic()
        again = installation.http.post("/find", json=spec, headers={"Prefer": "wait=60"})
        took = time.monotonic() - began
        assert (again.status_code, again.json()) == (200, first)
        assert took < 1, f"{took:.3f} s"

    def test_a_find_to_a_deeper_level_goes_on_where_the_first_ended(
        self, installation: "Installation"
    ) -> None:
        short = {"architecture": "mlp_2", "dataset": "digits", "recipe": {"length": "3ep", "rewind": "5it"}}
        installation.succeeded(installation.submit("find", short | {"parameters": {"level": 6}}))
        deeper = installation.succeeded(installation.submit("find", short | {"parameters": {"level": 10}}))
        trained = [run["level"] for run in deeper["outputs"]["runs"] if not run["shared"]]
        assert (trained, len(deeper["outputs"]["runs"])) == ([6, 7, 8, 9], 10)
        assert deeper["progress"]["total"] == 4 * (36 - 5)


class TestStudy:
    def test_all_arms_play_over_http_and_rivals_have_the_stretched_ticket_s_survivors(
        self, installation: "Installation"
    ) -> None:
        asked = {
            "study": "rivals",
            "datasets": ["digits"],
            "seeds": [0, 1],
            "levels": [2],
            # GraSP's masks let the gradient grow: at the preset's rate they diverge.
            "recipe": {"length": "2ep", "lr": 0.01},
        }
        with Client(installation.url) as client:
            study, again = (client.wait_study(client.create_study(**asked)) for _ in range(2))
            table, same = client.table(study), client.table(again)
        assert len({job.job for job in study.jobs}) == len(study.jobs)
        # Played again, every job is answered by the first play's.
        assert [job.job for job in again.jobs] == [job.job for job in study.jobs]
        assert same == table
        assert failures(study) == []
        sparsity = {cell.arm: [replicate.sparsity for replicate in cell.replicates] for cell in table.cells}
        assert sparsity.keys() == {arm.name for arm in RIVALS}
        assert all(cell.complete for cell in table.cells)
        own = sparsity.pop("IMP")
        assert own == [own[0]] * 2
        assert sparsity.pop("dense") == [0, 0]
        assert all(found == sparsity["ETT"] for found in sparsity.values())

    @pytest.mark.nightly
    def test_a_study_goes_on_where_its_dispatcher_was_killed(self, elsewhere: "Installation") -> None:
        asked = {
            "study": "elth_fc",
            "datasets": ["digits"],
            "sources": ["mlp_2"],
            "targets": ["mlp_3"],
            "levels": [2],
            "recipe": {"length": "2ep", "momentum": 0.9},
        }
        with Client(elsewhere.url) as client:
            study = client.create_study(**asked)
            (dispatcher,) = (
                process for process in elsewhere.processes() if "workers.dispatcher" in process.cmdline()
            )
            dispatcher.kill()
            study = client.wait_study(study)
        assert study.counts == {"succeeded": len(study.jobs)}


class TestStop:
    def test_ctrl_c_in_the_middle_of_a_job_leaves_no_process_and_the_job_goes_on_at_the_next_start(
        self, elsewhere: "Installation"
    ) -> None:
        job_id = elsewhere.submit("find", EXACT)
        elsewhere.wait_until(lambda: elsewhere.job(job_id)["progress"], 30)
        below = elsewhere.processes()
        assert elsewhere.interrupt() == 0
        elsewhere.wait_until(lambda: not any(runs(process) for process in below), 2)
        elsewhere.start()
        assert elsewhere.succeeded(job_id)["state"] == "succeeded"
