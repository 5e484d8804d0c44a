from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pruning.budgets import layer_survivors
from core.pruning.random import random_mask, random_scores
from core.pruning.select import choose

SHAPES = {"b": (4, 3, 3, 3), "a": (10, 4), "fc": (5, 10)}
TOTAL = 108 + 40 + 50


class TestRandomMask:
    @given(st.integers(0, TOTAL), st.integers(0, 2**31))
    def test_the_count_is_exact(self, survivors: int, seed: int) -> None:
        masks = random_mask(SHAPES, survivors, seed)
        assert {name: mask.shape for name, mask in masks.items()} == SHAPES
        assert sum(int(mask.sum()) for mask in masks.values()) == survivors

    @given(st.integers(50, TOTAL), st.integers(0, 2**31))
    def test_dense_tensors_are_whole_and_count(self, survivors: int, seed: int) -> None:
        masks = random_mask(SHAPES, survivors, seed, ["fc"])
        assert masks["fc"].all()
        assert sum(int(mask.sum()) for mask in masks.values()) == survivors

    @given(st.integers(50, TOTAL), st.integers(0, 2**31), st.sampled_from([(), ("fc",), ("b", "fc"), ("a",)]))
    def test_the_smallest_keys_of_the_raw_stream_survive(
        self, survivors: int, seed: int, dense: tuple[str, ...]
    ) -> None:
        drawn = [(name, i) for name in SHAPES if name not in dense for i in range(np.prod(SHAPES[name]))]
        keys = np.random.PCG64(seed).random_raw(len(drawn)).tolist()
        whole = TOTAL - len(drawn)
        if survivors < whole:
            return
        expected = {name: np.full(shape, name in dense) for name, shape in SHAPES.items()}
        for _, (name, i) in sorted(zip(keys, drawn, strict=True))[: survivors - whole]:
            expected[name].flat[i] = True
        for name, mask in random_mask(SHAPES, survivors, seed, dense).items():
            np.testing.assert_array_equal(mask, expected[name])

    def test_a_network_that_is_all_dense_stays_whole(self) -> None:
        masks = random_mask(SHAPES, TOTAL, 0, list(SHAPES))
        assert all(mask.all() for mask in masks.values())

    def test_every_weight_is_equally_likely(self) -> None:
        rounds, survivors = 4000, 50
        counts = sum(
            np.concatenate([mask.ravel() for mask in random_mask(SHAPES, survivors, seed).values()]).astype(
                int
            )
            for seed in range(rounds)
        )
        p = survivors / TOTAL
        deviations = (counts - rounds * p) / np.sqrt(rounds * p * (1 - p))
        assert np.abs(deviations).max() < 4.5
        assert 0.8 < deviations.std() < 1.2

    def test_it_is_a_function_of_the_seed(self) -> None:
        one, again, other = (random_mask(SHAPES, 60, seed)["b"] for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, again)
        assert (one != other).any()

    @pytest.mark.parametrize("survivors", [-1, 49, TOTAL + 1])
    def test_an_impossible_count_is_refused(self, survivors: int) -> None:
        with pytest.raises(ValueError, match=f"{survivors} survivors asked for; between 50 and {TOTAL}"):
            random_mask(SHAPES, survivors, 0, ["fc"])

    def test_an_unknown_dense_tensor_is_refused(self) -> None:
        with pytest.raises(ValueError, match="head"):
            random_mask(SHAPES, 60, 0, ["head"])


class TestRandomScores:
    def test_they_are_an_order_of_all_weights_that_are_drawn(self) -> None:
        scores = random_scores(SHAPES, 3, ["a"])
        assert {name: score.shape for name, score in scores.items()} == SHAPES
        ranks = np.concatenate([scores["b"].ravel(), scores["fc"].ravel()])
        np.testing.assert_array_equal(np.sort(ranks), -np.arange(158)[::-1])

    @pytest.mark.parametrize("scope", ["uniform", "erk"])
    def test_they_serve_budgets_of_layers(self, scope: Literal["uniform", "erk"]) -> None:
        masks = choose(random_scores(SHAPES, 3), 60, scope=scope)
        counts = {name: int(mask.sum()) for name, mask in masks.items()}
        assert counts == layer_survivors(SHAPES, 60, scope)

    def test_they_serve_patterns(self) -> None:
        masks = choose(random_scores(SHAPES, 3), None, pattern="1:2")
        assert (masks["a"].reshape(10, 2, 2).sum(2) == 1).all()
        assert masks["b"].all()
