"""Studies as their users ask for them, done by real workers."""

import json
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from typer.testing import CliRunner

from api.client import Client
from cli.comparison import failures
from cli.main import app
from core.studies.recipes import STUDIES

if TYPE_CHECKING:
    from tests.e2e.conftest import Installation


def done(installation: "Installation", asked: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A study that has ended well, and its table."""
    with Client(installation.url) as client:
        study = client.wait_study(client.create_study(**asked))
        table = client.table(study)
    assert failures(study) == []
    assert set(study.counts) == {"succeeded"}
    assert all(cell.complete for cell in table.cells)
    return study.model_dump(mode="json"), table.model_dump(mode="json")


@pytest.mark.nightly
class TestAcrossDatasets:
    def test_tickets_of_one_dataset_are_trained_on_another_and_their_trainings_connected(
        self, installation: "Installation"
    ) -> None:
        study, table = done(
            installation,
            {
                "datasets": ["digits_32"],
                "found_on": ["digits"],
                "sources": ["cifar_resnet_8_4"],
                "targets": ["cifar_resnet_8_4"],
                "levels": [1],
                "arms": [{"name": "ETT", "method": "ett"}],
                "seeds": [0],
                "recipe": {"length": "2ep", "milestones": [], "rewind": "5it", "augment": False},
                "connect": True,
            },
        )
        (cell,) = table["cells"]
        assert (cell["network"], len(cell["replicates"])) == ("cifar_resnet_8_4", 2)
        job = {row["kind"]: installation.job(row["job"]) for row in study["jobs"]}
        runs = job["train"]["outputs"]["runs"]
        # On another dataset a training starts at step 0 of its schedule.
        assert [(run["dataset"], run["start_step"], run["order_seed"]) for run in runs] == [
            ("digits_32", 0, 0),
            ("digits_32", 0, 1),
        ]
        line = job["connect"]["outputs"]["results"]
        assert [result["alpha"] for result in line] == [n / 20 for n in range(21)]


@pytest.mark.nightly
class TestArchive:
    EXACT: ClassVar[dict[str, Any]] = {
        "datasets": ["digits"],
        "sources": ["mlp_2"],
        "targets": ["mlp_3"],
        "levels": [2],
        "arms": [
            {"name": "ETT", "method": "ett"},
            {"name": "IMP", "method": "imp"},
            {"name": "random", "method": "random"},
        ],
        "seeds": [0, 1],
        "recipe": {"length": "3ep", "momentum": 0.9},
        "exact": True,
    }

    def tampered(self, archive: Path, key: str) -> tuple[Path, str]:
        """A copy in which the first digest of this job's trained weights is another one; which it was."""
        copy = archive.with_name("tampered.zip")
        with zipfile.ZipFile(archive) as source, zipfile.ZipFile(copy, "w") as target:
            for info in source.infolist():
                content = source.read(info)
                if info.filename == "study.json":
                    told = json.loads(content)
                    (job,) = (job for job in told["jobs"] if job["key"] == key)
                    digest: str = job["runs"][0]["weights_digest"]
                    job["runs"][0]["weights_digest"] = "0" * 64
                    content = json.dumps(told).encode()
                target.writestr(info.filename, content)
        return copy, digest

    def reproduced(self, installation: "Installation", archive: Path) -> tuple[int, dict[str, Any]]:
        words = ["reproduce", str(archive), "--exact", "--wait", "--json", "--server", installation.url]
        result = CliRunner().invoke(app, words)
        study: dict[str, Any] = json.loads(result.stdout)
        return result.exit_code, study

    def test_an_empty_installation_runs_it_again_to_the_same_digests_and_tells_a_changed_one(
        self, installation: "Installation", elsewhere: "Installation", tmp_path: Path
    ) -> None:
        study, table = done(installation, self.EXACT)
        archive = tmp_path / "study.zip"
        words = ["archive", study["id"], "--output", str(archive), "--server", installation.url]
        assert CliRunner().invoke(app, words).exit_code == 0

        status, again = self.reproduced(elsewhere, archive)
        found = again["reproduction"]
        assert (status, found["different"]) == (0, [])
        outputs = [installation.job(row["job"])["outputs"] for row in study["jobs"]]
        expected = {
            "tickets": sum(len(one["tickets"]) for one in outputs),
            "weights": sum(len(one["runs"]) for one in outputs),
        }
        assert {name: found[name]["same"] for name in expected} == expected
        assert expected["tickets"] == 8
        assert expected["weights"] >= 6 + 2 * 2 * 2
        assert (found["complete"], found["same_fingerprint"]) == (True, True)
        # It was computed there, not taken from the archive.
        assert {row["job"] for row in again["jobs"]}.isdisjoint(row["job"] for row in study["jobs"])
        assert all(elsewhere.job(row["job"])["attempts"] for row in again["jobs"])
        rows = elsewhere.http.get(f"/studies/{again['id']}/table").json()["cells"]
        assert [cell["replicates"] for cell in rows] == [cell["replicates"] for cell in table["cells"]]

        key = study["jobs"][-1]["key"]
        changed, digest = self.tampered(archive, key)
        status, told = self.reproduced(elsewhere, changed)
        assert status == 1
        assert told["reproduction"]["different"] == [
            {"key": key, "what": "weights", "number": 0, "expected": "0" * 64, "got": digest}
        ]


@pytest.mark.nightly
@pytest.mark.timeout(900)
class TestNamed:
    """Every study by name at its small scale, on data that is always there."""

    @pytest.mark.parametrize("name", STUDIES)
    def test_it_is_done_in_one_request(self, installation: "Installation", name: str) -> None:
        begun = time.monotonic()
        study, _ = done(installation, {"study": name, "scale": "small"})
        table = installation.http.get(f"/studies/{study['id']}/table?format=text").text
        print(f"\n{name}: {len(study['jobs'])} jobs, {time.monotonic() - begun:.0f} s\n{table}")
