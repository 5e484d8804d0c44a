from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, localcontext
from functools import partial
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pruning.budgets import layer_survivors
from core.pruning.rounds import narrowed, schedule
from core.pruning.select import choose


class TestSchedule:
    @given(st.integers(1, 10**8), st.floats(0.001, 1), st.integers(1, 40))
    def test_equals_decimal_arithmetic(self, everything: int, density: float, rounds: int) -> None:
        survivors = max(1, int(everything * density))
        with localcontext(prec=60):
            rho = Decimal(survivors) / Decimal(everything)
            # A power that is whole by its roots misses it by 1e-50; the counts themselves are under 1e9.
            expected = [
                int(
                    (everything * rho ** (Decimal(e) / rounds) - Decimal("1e-40")).to_integral_value(
                        ROUND_CEILING
                    )
                )
                for e in range(1, rounds + 1)
            ]
        assert schedule(everything, survivors, rounds) == expected

    def test_equal_factors_by_hand(self) -> None:
        assert schedule(10_000, 1, 4) == [1000, 100, 10, 1]
        assert schedule(10, 1, 2) == [4, 1]

    def test_the_last_round_is_exact_after_a_thousand(self) -> None:
        counts = schedule(25_502_912, 255_029, 1000)
        assert counts[-1] == 255_029
        assert counts == sorted(counts, reverse=True)

    def test_nothing_may_be_left(self) -> None:
        assert schedule(10, 0, 3) == [0, 0, 0]

    @pytest.mark.parametrize(("everything", "survivors", "rounds"), [(10, 11, 1), (10, -1, 1), (10, 5, 0)])
    def test_what_leads_nowhere_is_refused(self, everything: int, survivors: int, rounds: int) -> None:
        with pytest.raises(ValueError, match=f"from {everything} weights to {survivors} in {rounds} rounds"):
            schedule(everything, survivors, rounds)


SHAPES = {"a": (2, 7), "b": (3, 5), "c": (4, 4), "d": (1, 9)}
TOTAL = 14 + 15 + 16 + 9


class TestNarrowed:
    @given(
        st.sampled_from(["global", "uniform", "erk"]),
        st.integers(9, TOTAL),
        st.integers(1, 30),
        st.integers(0, 2**32),
    )
    def test_no_weight_comes_back_and_the_last_round_is_exact(
        self, scope: Literal["global", "uniform", "erk"], survivors: int, rounds: int, seed: int
    ) -> None:
        rng = np.random.default_rng(seed)
        masks = {name: np.ones(shape, bool) for name, shape in SHAPES.items()}
        select = partial(choose, scope=scope, dense=["d"])
        for kept in schedule(TOTAL, survivors, rounds):
            scores = {name: rng.integers(0, 5, shape) / 8 for name, shape in SHAPES.items()}
            left = narrowed(select, scores, masks, kept, survivors)
            assert all(not (left[name] & ~masks[name]).any() for name in SHAPES)
            masks = left
        counts = {name: int(mask.sum()) for name, mask in masks.items()}
        assert sum(counts.values()) == survivors
        if scope != "global":
            assert counts == layer_survivors(SHAPES, survivors, scope, ["d"])

    def test_a_smaller_budget_can_give_a_layer_more(self) -> None:
        # The case that `narrowed` is there for.
        shapes = {"a": (1, 6), "b": (1, 6), "c": (1, 2)}
        more, fewer = (layer_survivors(shapes, n, "uniform") for n in (11, 10))
        assert (more["c"], fewer["c"]) == (1, 2)
        scores = {name: np.ones(shape) for name, shape in shapes.items()}
        masks = {name: np.ones(shape, bool) for name, shape in shapes.items()}
        select = partial(choose, scope="uniform")
        masks = narrowed(select, scores, masks, 11, 10)
        masks = narrowed(select, scores, masks, 10, 10)
        assert {name: int(mask.sum()) for name, mask in masks.items()} == fewer
