"""Studies as their users ask for them, done by real workers."""

import time
from typing import TYPE_CHECKING, Any

import pytest

from cli.client import Client
from cli.comparison import failures, play
from core.studies.recipes import STUDIES

if TYPE_CHECKING:
    from tests.e2e.conftest import Installation


def done(installation: "Installation", asked: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A study that has ended well, and its table."""
    with Client(installation.url) as client:
        study, table = play(client, asked, lambda _: None)
    assert failures(study) == []
    assert set(study["counts"]) == {"succeeded"}
    assert all(cell["complete"] for cell in table["cells"])
    return study, table


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
@pytest.mark.timeout(900)
class TestNamed:
    """Every study by name at its small scale, on data that is always there."""

    @pytest.mark.parametrize("name", STUDIES)
    def test_it_is_done_in_one_request(self, installation: "Installation", name: str) -> None:
        begun = time.monotonic()
        study, _ = done(installation, {"study": name, "scale": "small"})
        table = installation.http.get(f"/studies/{study['id']}/table?format=text").text
        print(f"\n{name}: {len(study['jobs'])} jobs, {time.monotonic() - begun:.0f} s\n{table}")
