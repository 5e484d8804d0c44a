from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.core.studies.conftest import Answer


class TestRows:
    def test_each_is_held_against_imp_s_own_ticket_which_is_held_against_nothing(
        self, answer: Answer
    ) -> None:
        _, rows = answer({"mlp_3/10/ETT": [0.9, 0.8], "IMP": [0.7, 0.75], "dense": [0.95, 0.9]})
        assert [(row.method, row.reference) for row in rows] == [
            ("ETT from mlp_2", "IMP"),
            ("ETT from mlp_4", "IMP"),
            ("IMP", None),
            ("dense", "IMP"),
        ]
        first = rows[0].difference
        assert first is not None
        assert (first.mean, first.pairs) == (pytest.approx(0.125), 2)

    def test_without_such_a_row_it_is_the_dense_network(self, answer: Answer) -> None:
        arms = [{"name": "ETT", "method": "ett"}, {"name": "whole", "method": "dense"}]
        _, rows = answer({"ETT": [0.9], "whole": [0.95]}, arms=arms)
        assert [row.reference for row in rows] == ["whole", "whole", None]

    def test_a_ticket_at_home_stands_for_imp_s_own(self, answer: Answer) -> None:
        arms = [{"name": "ETT", "method": "ett"}, {"name": "dense", "method": "dense"}]
        _, rows = answer({"from mlp_2": [0.9], "from mlp_4": [0.8]}, arms=arms, targets=["mlp_2"])
        assert [(row.method, row.reference) for row in rows] == [
            ("ETT from mlp_2", None),
            ("ETT from mlp_4", "ETT"),
            ("dense", "ETT"),
        ]

    def test_levels_networks_and_datasets_are_kept_apart(self, answer: Answer) -> None:
        _, rows = answer(
            {"mlp_3/2/IMP": [0.5], "mlp_3/4/IMP": [0.7], "ETT": [0.9]}, levels=[2, 4], sources=["mlp_2"]
        )
        means = [row.difference.mean for row in rows if row.difference]
        assert means == pytest.approx([0.4, 0.2])

    def test_the_paper_s_number_is_not_of_an_altered_transformation(self, answer: Answer) -> None:
        arms = [
            {"name": "ETT", "method": "ett"},
            {"name": "fresh", "method": "ett", "parameters": {"weights": "reinit"}},
        ]
        _, rows = answer({}, arms=arms, datasets=["mnist"], sources=["mlp_2"])
        assert [row.published is not None for row in rows] == [True, False]

    def test_where_a_ticket_was_found_is_part_of_its_name(self, answer: Answer) -> None:
        _, rows = answer({}, arms=[{"name": "ETT", "method": "ett"}], sources=["mlp_2"])
        cell = replace(rows[0].found.cell, found_on="mnist")
        elsewhere = replace(rows[0], found=replace(rows[0].found, cell=cell))
        assert elsewhere.method == "ETT from mlp_2 on mnist"
