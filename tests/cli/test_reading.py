from __future__ import annotations

import statistics
from typing import Any

import pytest

from api.client.models.studies import Study, Table
from api.studies import examples
from cli.comparison import TABLE_5, failures, parts
from cli.reading import against, caption, reading, tables
from core.studies.spec import StudySpec
from core.studies.table import Spread

JOB = examples.STUDY["jobs"][0]
ACCURACY = {
    "ETT": (0.97, 0.98, 0.96),
    "IMP": (0.98, 0.97, 0.97),
    "random": (0.9, 0.8, 0.85),
    "dense": (0.95, 0.95, 0.95),
}
COLUMNS = ("network", "level", "method", "accuracy, %", "best epoch, %", "sparsity, %", "trainings per seed")
SPEC = StudySpec.model_validate(TABLE_5).model_dump(mode="json")


def study(**fields: Any) -> Study:
    return Study.model_validate(examples.STUDY | {"spec": SPEC} | fields)


def cell(network: str, arm: str) -> dict[str, Any]:
    return examples.TABLE["cells"][0] | {
        "network": network,
        "arm": arm,
        "replicates": [
            {"seed": seed, "accuracy": accuracy, "sparsity": 0.9}
            for seed, accuracy in enumerate(ACCURACY[arm])
        ],
        "trainings": 11 if arm == "IMP" else 1,
        "shared_trainings": 10 if arm == "ETT" else 0,
    }


@pytest.fixture
def table() -> Table:
    cells = [cell(network, arm) for network in TABLE_5["targets"] for arm in ACCURACY]
    rows = [[one["network"], "10", one["arm"], "1", "2", "3", "4"] for one in cells]
    return Table(columns=list(COLUMNS), rows=rows, notes=[], cells=cells)


class TestTables:
    def test_one_for_each_network_without_its_name_and_what_a_terminal_has_no_room_for(
        self, table: Table
    ) -> None:
        found = tables(table)
        assert list(found) == ["mlp_3", "mlp_4"]
        assert found["mlp_3"].columns == (
            "level",
            "method",
            "accuracy, %",
            "sparsity, %",
            "trainings per seed",
        )
        assert found["mlp_3"].rows[0] == ("10", "ETT", "1", "3", "4")
        assert [row[1] for row in found["mlp_4"].rows] == list(ACCURACY)


class TestReading:
    def test_it_speaks_of_every_target_and_of_the_cost(self, table: Table) -> None:
        said = reading(study(), table)
        assert all(f"on {target}: " in said for target in TABLE_5["targets"])
        assert "level with IMP's own (-0.33 points, std 1.00), 12.00 points above a random mask" in said
        assert "1 training per seed and target instead of 11, after 10 shared ones" in said

    def test_what_failed_is_left_out_and_without_the_ticket_there_is_nothing_to_say(
        self, table: Table
    ) -> None:
        def without(arm: str) -> str:
            cells = [one.model_copy(update={"complete": one.arm != arm}) for one in table.cells]
            return reading(study(), table.model_copy(update={"cells": cells}))

        assert "random" not in without("random")
        assert without("ETT") == "No stretched ticket was trained beside IMP's own."

    def test_a_worse_ticket_is_called_worse(self) -> None:
        assert against(Spread(90.0, 0.2), Spread(95.0, 0.1), "X") == "5.00 points below X"

    def test_a_better_one_better(self) -> None:
        assert against(Spread(95.0, 0.2), Spread(90.0, 0.1), "X") == "5.00 points above X"

    def test_a_difference_inside_either_deviation_is_none(self) -> None:
        assert against(Spread(90.0, 0.1), Spread(91.0, 1.5), "X") == "level with X (-1.00 points, std 1.50)"

    def test_the_noise_is_the_sample_deviation(self, table: Table) -> None:
        noise = statistics.stdev(100 * accuracy for accuracy in ACCURACY["ETT"])
        assert f"std {noise:.2f}" in reading(study(), table)


class TestCaption:
    def test_it_states_the_recipe_in_force(self) -> None:
        said = caption(study())
        assert "20ep, batch 128, learning rate 0.1, momentum 0.9; fc.weight is never pruned" in said
        assert "89.26% pruned" in said


class TestFailures:
    def test_each_has_its_reason_and_what_it_blocked_is_not_told(self) -> None:
        jobs = [
            {"key": "a", "state": "succeeded", "error": None},
            {"key": "b", "state": "failed", "error": {"message": "the training loss is nan"}},
            {"key": "c", "state": "blocked", "error": None},
            {"key": "d", "state": "cancelled", "error": None},
        ]
        assert failures(study(jobs=[JOB | job for job in jobs])) == [
            "b: the training loss is nan",
            "d: cancelled",
        ]


class TestParts:
    def test_jobs_are_counted_by_network_and_how_far_they_are(self) -> None:
        jobs = [
            {"key": "digits/mlp_2/10/IMP/find/seed 0", "fraction": 1.0},
            {"key": "digits/mlp_3/10/IMP/find/seed 0", "fraction": 0.5},
            {"key": "digits/mlp_3/dense/train/seed 0", "fraction": 0.0},
        ]
        assert parts(study(jobs=[JOB | job for job in jobs])) == {"mlp_2": (1.0, 1), "mlp_3": (0.5, 2)}
