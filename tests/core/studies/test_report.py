from __future__ import annotations

from core.studies.expansion import Cell
from core.studies.report import COLUMNS, Done, Trial, filled, table

CELL = Cell("digits", "mlp_3", 10, "ETT", "ett", ("t0", "t1"), source="mlp_2", own=("c",), shared=("f",))
TRIALS = (Trial(0, 0.97, 0.9), Trial(1, 0.99, 0.92))
DONE = {
    "t0": Done((TRIALS[0],), 1, 3.0),
    "t1": Done((TRIALS[1],), 1, 5.0),
    "c": Done((), 0, 0.0),
    "f": Done((), 20, 40.0),
}


class TestFilled:
    def test_costs_are_per_replicate_and_shared_ones_apart(self) -> None:
        (found,) = filled([CELL], DONE, 2)
        assert (found.trials, found.complete) == (TRIALS, True)
        assert (found.trainings, found.seconds, found.shared_trainings, found.shared_seconds) == (
            1,
            4,
            10,
            20,
        )

    def test_what_has_not_been_trained_is_missing(self) -> None:
        (found,) = filled([CELL], {"t0": DONE["t0"]}, 2)
        assert (found.trials, found.complete) == (TRIALS[:1], False)


class TestTable:
    def test_a_row_has_mean_and_deviation_and_says_what_is_shared(self) -> None:
        shown = table(filled([CELL], DONE, 2))
        assert shown.columns == COLUMNS
        assert shown.rows == (
            ("mlp_3", "10", "ETT from mlp_2", "98.00 ± 1.41", "91.00", "1 + 10 shared", "4.0 + 20.0 shared"),
        )

    def test_an_unfinished_cell_says_how_far_it_is(self) -> None:
        (half,) = table(filled([CELL], {"t0": DONE["t0"]}, 2)).rows
        (empty,) = table(filled([CELL], {}, 2)).rows
        assert half[3:5] == ("97.00 (1 so far)", "90.00")
        assert empty[3:5] == ("–", "–")
