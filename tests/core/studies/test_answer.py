from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.studies.answer import table
from core.studies.report import Trial

if TYPE_CHECKING:
    from tests.core.studies.conftest import Answer


CORE = ("network", "level", "method", "accuracy, %", "sparsity, %", "trainings per seed", "seconds per seed")


class TestTable:
    def test_a_row_has_mean_and_deviation_and_says_what_is_shared_and_what_differs(
        self, answer: Answer
    ) -> None:
        spec, rows = answer({"ETT": [0.99, 0.97], "IMP": [0.98, 0.95], "dense": [0.99, 0.98]})
        shown = table(spec, rows)
        assert shown.columns == (
            *CORE[:4],
            "best epoch, %",
            "difference",
            "p",
            *CORE[4:],
        )
        assert shown.rows[0] == (
            "mlp_3",
            "10",
            "ETT from mlp_2",
            "98.00 ± 1.41",
            "98.00 ± 1.41",
            "+1.50",
            "0.205",
            "89.26",
            "1 + 5 shared",
            "2.0 + 15.0 shared",
        )
        assert shown.rows[2][2:7] == ("IMP", "96.50 ± 2.12", "96.50 ± 2.12", "–", "–")
        assert shown.words == 3

    def test_before_anything_is_trained_there_is_only_what_every_table_has(self, answer: Answer) -> None:
        shown = table(*answer({}))
        assert shown.columns == CORE
        assert shown.rows[0] == ("mlp_3", "10", "ETT from mlp_2", "–", "–", *shown.rows[0][5:])

    def test_an_unfinished_row_says_how_far_it_is(self, answer: Answer) -> None:
        spec, rows = answer({"IMP": [0.97]}, seeds=[0, 1])
        half = replace(rows[2].found, complete=False)
        assert table(spec, [replace(rows[2], found=half)]).rows[0][3] == "97.00 (1 so far)"

    def test_several_datasets_are_told_apart(self, answer: Answer) -> None:
        shown = table(*answer({}, datasets=["digits", "digits_32"]))
        assert shown.columns[:2] == ("dataset", "network")
        assert {row[0] for row in shown.rows} == {"digits", "digits_32"}

    def test_dead_neurons_and_barriers_have_columns_where_there_are_any(self, answer: Answer) -> None:
        spec, rows = answer({"IMP": [0.97]})
        trial = Trial(0, 0.97, 0.9, dead=12)
        line = ((0.0, 0.9), (0.5, 0.6), (1.0, 0.9))
        found = replace(rows[2].found, trials=(trial,), lines=(line,))
        shown = table(spec, [rows[0], replace(rows[2], found=found)])
        columns = dict(zip(shown.columns, shown.rows[1], strict=True))
        assert (columns["dead neurons"], columns["barrier"]) == ("12.0", "30.00")
        assert {"Dead neurons", "Barrier"} <= {note.partition(":")[0] for note in shown.notes}

    def test_no_difference_has_no_sign(self, answer: Answer) -> None:
        shown = table(*answer({"ETT": [0.90001, 0.9], "IMP": [0.9, 0.90002]}))
        assert shown.rows[0][shown.columns.index("difference")] == "0.00"


class TestNotes:
    def test_one_seed_has_no_deviation_and_no_p_to_speak_of(self, answer: Answer) -> None:
        notes = " ".join(table(*answer({"ETT": [0.9], "IMP": [0.8]})).notes)
        assert "of seed 0" in notes
        assert "Difference: to IMP" in notes
        assert "t-test" not in notes

    def test_beside_the_paper_s_number_stands_by_which_recipe_ours_was_trained(self, answer: Answer) -> None:
        on_mnist = {"datasets": ["mnist"], "sources": ["mlp_2"]}
        same = " ".join(table(*answer({}, **on_mnist)).notes)
        assert "Table 5, trained by the paper's recipe; ours by the same." in same
        recipe = {"length": "20ep", "momentum": 0.9, "batch": 128}
        other = " ".join(table(*answer({}, recipe=recipe, **on_mnist)).notes)
        assert "ours by another: length 20ep, momentum 0.9." in other

    def test_what_was_assumed_is_marked_and_said(self, answer: Answer) -> None:
        shown = table(
            *answer({}, datasets=["cifar10"], sources=["cifar_resnet_20"], targets=["cifar_resnet_32"])
        )
        assert shown.rows[0][shown.columns.index("published, %")] == "91.38 ?"
        assert any("assumed is the sparsity" in note for note in shown.notes)
