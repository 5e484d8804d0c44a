from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pruning.budgets import layer_survivors
from core.pruning.patterns import blocks, n_of_m
from core.pruning.select import choose

Arrays = dict[str, np.ndarray]

SHAPES = {"b": (4, 4, 3, 3), "odd": (3, 5), "a": (8, 16), "fc": (5, 8)}
TOTAL = 144 + 15 + 128 + 40


def scores_of(seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return {name: (rng.integers(-4, 5, shape) / 8).astype(np.float32) for name, shape in SHAPES.items()}


def assert_equal(masks: Arrays, expected: Arrays) -> None:
    assert list(masks) == list(expected)
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask, expected[name])


def count(masks: Arrays) -> int:
    return sum(int(mask.sum()) for mask in masks.values())


class TestChoose:
    @given(st.integers(40, TOTAL), st.integers(0, 2**32))
    def test_globally_it_is_one_sort(
        self, sorted_choice: Callable[..., Arrays], survivors: int, seed: int
    ) -> None:
        scores = scores_of(seed)
        assert_equal(choose(scores, survivors, dense=["fc"]), sorted_choice(scores, survivors, ["fc"]))

    @given(st.integers(40, TOTAL), st.integers(0, 2**32), st.sampled_from(["uniform", "erk"]))
    def test_layer_by_layer_it_is_a_sort_of_each(
        self,
        sorted_choice: Callable[..., Arrays],
        survivors: int,
        seed: int,
        scope: Literal["uniform", "erk"],
    ) -> None:
        scores = scores_of(seed)
        masks = choose(scores, survivors, scope=scope, dense=["fc"])
        counts = layer_survivors(SHAPES, survivors, scope, ["fc"])
        expected: Arrays = {}
        for name in SHAPES:
            expected |= sorted_choice({name: scores[name]}, counts[name])
        assert_equal(masks, expected)
        assert count(masks) == survivors

    @given(st.integers(0, 2**32))
    def test_a_pattern_n_of_m_needs_no_count(self, seed: int) -> None:
        scores = scores_of(seed)
        expected = n_of_m(scores, 2, 4, ["fc"])
        assert_equal(choose(scores, None, pattern="2:4", dense=["fc"]), expected)
        assert_equal(choose(scores, 7, pattern="2:4", dense=["fc"]), expected)

    @given(st.integers(55, TOTAL), st.integers(0, 2**32))
    def test_blocks_are_ranked_globally(self, survivors: int, seed: int) -> None:
        scores = scores_of(seed)
        expected = blocks(scores, survivors, 4, 1, ["fc"])
        assert_equal(choose(scores, survivors, pattern="4x1", dense=["fc"]), expected)

    @given(st.integers(55, TOTAL), st.integers(0, 2**32), st.sampled_from(["uniform", "erk"]))
    def test_blocks_layer_by_layer_leave_what_they_do_not_divide_whole(
        self, survivors: int, seed: int, scope: Literal["uniform", "erk"]
    ) -> None:
        scores = scores_of(seed)
        masks = choose(scores, survivors, scope=scope, pattern="4x2", dense=["fc"])
        counts = layer_survivors(SHAPES, survivors, scope, ["odd", "fc"])
        assert masks["odd"].all()
        assert masks["fc"].all()
        for name in ("a", "b"):
            np.testing.assert_array_equal(masks[name], blocks({name: scores[name]}, counts[name], 4, 2)[name])
            assert counts[name] - 8 < masks[name].sum() <= counts[name]

    def test_a_missing_count_is_refused(self) -> None:
        with pytest.raises(ValueError, match="only a pattern N:M says it itself"):
            choose(scores_of(0), None, pattern="4x1")

    @pytest.mark.parametrize("scope", ["global", "uniform", "erk"])
    @pytest.mark.parametrize(("pattern", "least"), [(None, 40), ("4x1", 55)])
    def test_an_impossible_count_is_refused(
        self, scope: Literal["global", "uniform", "erk"], pattern: str | None, least: int
    ) -> None:
        with pytest.raises(ValueError, match=f"39 survivors asked for; between {least} and {TOTAL}"):
            choose(scores_of(0), 39, scope=scope, pattern=pattern, dense=["fc"])

    @pytest.mark.parametrize("scope", ["global", "uniform", "erk"])
    def test_an_unknown_dense_tensor_is_refused(self, scope: Literal["global", "uniform", "erk"]) -> None:
        with pytest.raises(ValueError, match="head"):
            choose(scores_of(0), 60, scope=scope, dense=["head"])

    def test_the_shapes_add_up(self) -> None:
        assert sum(map(math.prod, SHAPES.values())) == TOTAL
