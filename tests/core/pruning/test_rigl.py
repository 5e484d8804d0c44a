from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.pruning import rigl

TIES = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0])
"""So few values that most weights tie."""


@st.composite
def layers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight, mask and gradient of one shape; pruned weights are 0."""
    shape = draw(st.sampled_from([(1,), (7,), (4, 5), (3, 2, 3, 3)]))
    values = TIES if draw(st.booleans()) else st.floats(-10, 10, width=32)
    mask = draw(arrays(np.bool_, shape))
    weight = draw(arrays(np.float32, shape, elements=values))
    return np.where(mask, weight, np.float32(0)), mask, draw(arrays(np.float32, shape, elements=values))


def naive(weight: np.ndarray, mask: np.ndarray, growth: np.ndarray, share: float) -> np.ndarray:
    """By sorted lists of (value, flat index): where values are equal, the higher index is kept, and is grown."""
    survivors = [(abs(weight.flat[i]), i) for i in range(mask.size) if mask.flat[i]]
    k = int(share * len(survivors))
    kept = {i for _, i in sorted(survivors)[k:]}
    others = [(growth.flat[i], i) for i in range(mask.size) if i not in kept]
    grown = {i for _, i in sorted(others)[len(others) - k :]}
    return np.array([i in kept | grown for i in range(mask.size)]).reshape(mask.shape)


def updated(weight: np.ndarray, mask: np.ndarray, growth: np.ndarray, share: float) -> np.ndarray:
    given = (torch.from_numpy(np.asarray(array)) for array in (weight, mask, growth))
    return rigl.updated(*given, share).numpy()


class TestUpdated:
    @given(layers(), st.floats(0, 1))
    def test_is_the_naive_one_ties_included(
        self, layer: tuple[np.ndarray, np.ndarray, np.ndarray], share: float
    ) -> None:
        weight, mask, gradient = layer
        found = updated(weight, mask, abs(gradient), share)
        np.testing.assert_array_equal(found, naive(weight, mask, abs(gradient), share))
        assert found.sum() == mask.sum()

    @given(layers(), st.floats(0, 1))
    def test_so_it_is_where_channels_are_last_in_memory(
        self, layer: tuple[np.ndarray, np.ndarray, np.ndarray], share: float
    ) -> None:
        weight, mask, gradient = (array for array in layer)
        if weight.ndim == 4:
            given = (torch.from_numpy(array) for array in (weight, mask, abs(gradient)))
            strided = (tensor.contiguous(memory_format=torch.channels_last) for tensor in given)
            expected = naive(weight, mask, abs(gradient), share)
            np.testing.assert_array_equal(rigl.updated(*strided, share).numpy(), expected)

    def test_a_just_dropped_weight_may_return(self) -> None:
        weight, mask = np.array([1.0, 2.0, 0.0, 0.0], np.float32), np.array([True, True, False, False])
        growth = np.array([9.0, 0.0, 1.0, 2.0], np.float32)
        np.testing.assert_array_equal(updated(weight, mask, growth, 0.5), mask)

    def test_a_survivor_that_is_zero_is_kept_before_what_is_pruned(self) -> None:
        weight, mask = np.zeros(4, np.float32), np.array([True, True, False, False])
        np.testing.assert_array_equal(updated(weight, mask, np.ones(4, np.float32), 0.0), mask)

    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    @pytest.mark.parametrize("whole", [True, False])
    def test_a_whole_layer_stays_whole_and_an_empty_one_empty(self, whole: bool, share: float) -> None:
        mask = np.full((3, 4), whole)
        growth = np.random.default_rng(0).random((3, 4), np.float32)
        np.testing.assert_array_equal(updated(growth * mask, mask, growth, share), mask)


class TestShare:
    @given(st.integers(0, 10**6), st.integers(1, 10**6), st.floats(0.01, 1))
    def test_is_half_a_cosine_that_ends_at_zero(self, step: int, span: int, alpha: float) -> None:
        angle = math.pi if step >= span else math.pi * step / span
        assert rigl.share(step, span, alpha) == pytest.approx(alpha * math.cos(angle / 2) ** 2, abs=1e-12)

    def test_at_its_marks(self) -> None:
        assert [rigl.share(step, 1000, 0.3) for step in (0, 1000, 1001)] == [0.3, 0.0, 0.0]
        assert rigl.share(500, 1000, 0.3) == pytest.approx(0.15)

    def test_over_no_span_there_is_none(self) -> None:
        assert rigl.share(0, 0, 0.3) == 0.0
