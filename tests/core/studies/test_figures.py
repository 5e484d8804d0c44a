from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from core.studies.figures import Chart, HeatMap, Point, figures

if TYPE_CHECKING:
    from tests.core.studies.conftest import Answer


class TestFigures:
    def test_without_results_there_are_none(self, answer: Answer) -> None:
        assert figures(*answer({})) == []

    def test_accuracy_against_sparsity_has_a_curve_per_arm_and_the_dense_network_stands_level(
        self, answer: Answer
    ) -> None:
        accuracies = {"mlp_3/2/IMP": [0.9, 0.8], "mlp_3/4/IMP": [0.7, 0.7], "dense": [0.95, 0.95]}
        (chart, _) = figures(*answer(accuracies, levels=[4, 2]))
        assert isinstance(chart, Chart)
        assert chart.name == "sparsity-digits-mlp_3"
        imp, dense = chart.curves
        assert imp.points == (
            Point(pytest.approx(36.0), pytest.approx(85.0), pytest.approx(7.0710678)),
            Point(pytest.approx(59.04), pytest.approx(70.0), pytest.approx(0.0)),
        )
        assert (dense.name, dense.level, len(dense.points)) == ("dense", True, 1)

    def test_one_level_is_no_curve(self, answer: Answer) -> None:
        names = [figure.name for figure in figures(*answer({"IMP": [0.9]}))]
        assert names == ["cost-digits-mlp_3"]

    def test_cost_counts_what_is_shared(self, answer: Answer) -> None:
        (*_, cost) = figures(*answer({"ETT from mlp_2": [0.9, 0.8], "IMP": [0.9, 0.9]}))
        assert isinstance(cost, Chart)
        assert cost.x == "device-seconds per seed"
        assert {curve.name: curve.points[0].x for curve in cost.curves} == {"ETT from mlp_2": 17, "IMP": 2}

    def test_of_long_trainings_it_counts_hours(self, answer: Answer) -> None:
        spec, rows = answer({"IMP": [0.9]})
        (imp,) = (row for row in rows if row.method == "IMP")
        (cost,) = figures(spec, [replace(imp, found=replace(imp.found, seconds=7200.0))])
        assert isinstance(cost, Chart)
        assert (cost.x, cost.curves[0].points[0].x) == ("device-hours per seed", 2)

    def test_the_map_has_sources_as_rows_and_imp_s_own_on_its_diagonal(self, answer: Answer) -> None:
        both = ["mlp_2", "mlp_3"]
        accuracies = {
            "mlp_2/10/IMP": [0.1],
            "mlp_3/10/IMP": [0.2],
            "mlp_2/10/ETT from mlp_3": [0.3],
            "mlp_3/10/ETT from mlp_2": [0.4],
        }
        (shown,) = (
            figure
            for figure in figures(*answer(accuracies, sources=both, targets=both))
            if isinstance(figure, HeatMap)
        )
        table = dict(zip(shown.rows, shown.values, strict=True))
        columns = list(shown.columns)
        assert {
            (source, target): table[source][columns.index(target)] for source in both for target in both
        } == {
            ("mlp_2", "mlp_2"): pytest.approx(10),
            ("mlp_2", "mlp_3"): pytest.approx(40),
            ("mlp_3", "mlp_2"): pytest.approx(30),
            ("mlp_3", "mlp_3"): pytest.approx(20),
        }

    def test_what_is_not_known_is_a_gap(self, answer: Answer) -> None:
        both = ["mlp_2", "mlp_3"]
        found = figures(*answer({"ETT from mlp_2": [0.4]}, sources=both, targets=both))
        (shown,) = (figure for figure in found if isinstance(figure, HeatMap))
        assert (shown.rows, shown.values) == (("mlp_2",), ((None, pytest.approx(40)),))

    def test_lines_are_means_over_replicates(self, answer: Answer) -> None:
        spec, rows = answer({"IMP": [0.9, 0.9]})
        (imp,) = (row for row in rows if row.method == "IMP")
        lines = (((0.0, 0.5), (0.5, 0.2), (1.0, 0.7)), ((0.0, 0.7), (0.5, 0.4), (1.0, 0.9)))
        found = figures(spec, [replace(imp, found=replace(imp.found, lines=lines))])
        (line,) = (figure for figure in found if figure.name == "line-digits-mlp_3-10")
        assert isinstance(line, Chart)
        (curve,) = line.curves
        assert [(point.x, point.y) for point in curve.points] == [
            (0.0, pytest.approx(60)),
            (0.5, pytest.approx(30)),
            (1.0, pytest.approx(80)),
        ]

    def test_names_differ(self, answer: Answer) -> None:
        networks = ["mlp_2", "mlp_3"]
        found = figures(
            *answer(
                {"mlp": [0.9]},
                sources=networks,
                targets=networks,
                levels=[2, 4],
                datasets=["digits", "mnist"],
                arms=[
                    {"name": "ETT", "method": "ett"},
                    {"name": "x", "method": "ett", "parameters": {"order": "append"}},
                ],
                orders=["append", "drop_last", "interpolate"],
            )
        )
        names = [figure.name for figure in found]
        assert len(set(names)) == len(names) > 10
