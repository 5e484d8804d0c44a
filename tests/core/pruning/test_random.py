from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pruning.random import random_mask

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
