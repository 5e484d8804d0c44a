from __future__ import annotations

import pytest

from core.studies.expansion import Cell
from core.studies.report import Done, Trial, barrier, filled

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

    def test_a_seed_is_one_replicate_however_many_orders_its_ticket_was_trained_in(self) -> None:
        orders = (Trial(0, 0.5, 0.9, order_seed=0), Trial(0, 0.75, 0.9, order_seed=1), Trial(1, 0.25, 0.8))
        (found,) = filled([CELL], {"t0": Done(orders, 3, 1.0)}, 2)
        assert found.accuracies == {0: 0.625, 1: 0.25}
        assert found.sparsities == {0: 0.9, 1: 0.8}
        assert found.by_seed(lambda trial: trial.best) == {}

    def test_lines_that_were_measured_have_barriers(self) -> None:
        cell = Cell("digits", "mlp_3", 10, "ETT", "ett", ("t0",), lines=("l0", "l1"))
        done = {"l0": Done((), 0, 0, ((0.0, 0.75), (0.5, 0.25), (1.0, 0.75)))}
        (found,) = filled([cell], done, 2)
        assert found.barriers == [0.5]


class TestBarrier:
    def test_it_is_measured_from_the_line_between_the_ends_not_from_their_mean(self) -> None:
        # On the straight line: 0.5, 0.625, 0.75, 0.875, 1; below it: 0, 0.125, 0.5, 0.625, 0.
        line = ((0.0, 0.5), (0.25, 0.5), (0.5, 0.25), (0.75, 0.25), (1.0, 1.0))
        assert barrier(line) == 0.625

    def test_where_all_is_above_the_line_there_is_none(self) -> None:
        assert barrier(((0.0, 0.5), (0.5, 0.9), (1.0, 0.75))) == 0

    def test_it_is_the_same_from_either_end(self) -> None:
        line = ((0.0, 0.5), (0.25, 0.4), (0.5, 0.3), (0.75, 0.8), (1.0, 0.9))
        assert barrier(tuple((1 - alpha, value) for alpha, value in line[::-1])) == pytest.approx(
            barrier(line)
        )
