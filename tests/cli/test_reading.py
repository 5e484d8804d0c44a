from __future__ import annotations

import statistics

import pytest

from cli.comparison import TABLE_5, Arm, Trial
from cli.reading import against, caption, reading, table
from core.studies.table import Spread

ACCURACY = {
    "ETT": (0.97, 0.98, 0.96),
    "IMP": (0.98, 0.97, 0.97),
    "random": (0.9, 0.8, 0.85),
    "dense": (0.95, 0.95, 0.95),
}


def trial(target: str, arm: Arm, seed: int) -> Trial:
    sparsity = 0.0 if arm.name == "dense" else 0.9
    return Trial(
        target, arm, seed, ACCURACY[arm.name][seed], sparsity, 1.0 + seed, 8.0 if arm.name == "ETT" else 0.0
    )


@pytest.fixture
def trials() -> list[Trial]:
    return [
        trial(target, arm, seed)
        for seed in TABLE_5.seeds
        for arm in TABLE_5.arms
        for target in TABLE_5.targets
    ]


class TestTable:
    def test_a_row_per_arm_with_mean_and_sample_deviation(self, trials: list[Trial]) -> None:
        found = table(TABLE_5, trials, TABLE_5.targets[0])
        assert [row[0] for row in found.rows] == ["ETT", "IMP", "random", "dense"]
        for name, accuracy, *_ in found.rows:
            percent = [100 * value for value in ACCURACY[name]]
            assert accuracy == f"{statistics.fmean(percent):.2f} ± {statistics.stdev(percent):.2f}"

    def test_the_source_s_trainings_are_shown_as_shared(self, trials: list[Trial]) -> None:
        rows = {row[0]: row for row in table(TABLE_5, trials, TABLE_5.targets[0]).rows}
        assert rows["ETT"][2:] == ("90.00", "1 + 10 shared", "2.0 + 8.0 shared")
        assert rows["IMP"][2:] == ("90.00", "11", "2.0")


class TestReading:
    def test_it_speaks_of_every_target_and_of_the_cost(self, trials: list[Trial]) -> None:
        said = reading(TABLE_5, trials)
        assert all(f"on {target}: " in said for target in TABLE_5.targets)
        assert "level with IMP's own (-0.33 points, std 1.00), 12.00 points above a random mask" in said
        assert "1 training per seed and target instead of 11, after 10 shared ones" in said

    def test_a_worse_ticket_is_called_worse(self) -> None:
        assert against(Spread(90.0, 0.2), Spread(95.0, 0.1), "X") == "5.00 points below X"

    def test_a_better_one_better(self) -> None:
        assert against(Spread(95.0, 0.2), Spread(90.0, 0.1), "X") == "5.00 points above X"

    def test_a_difference_inside_either_deviation_is_none(self) -> None:
        assert against(Spread(90.0, 0.1), Spread(91.0, 1.5), "X") == "level with X (-1.00 points, std 1.50)"


class TestCaption:
    def test_it_states_the_recipe_in_force(self) -> None:
        assert "20ep, batch 128, learning rate 0.1, momentum 0.9" in caption(TABLE_5)
        assert "89.26% pruned" in caption(TABLE_5)
