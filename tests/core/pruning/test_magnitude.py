from __future__ import annotations

import math
from collections.abc import Collection
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.families import architecture
from core.families.initialisation import initialise
from core.pruning.levels import survivors_at
from core.pruning.magnitude import prune

Arrays = dict[str, np.ndarray]


def sorted_oracle(weights: Arrays, masks: Arrays, count: int, dense: Collection[str]) -> Arrays:
    """Sort every candidate by (|w|, tensor, flat index), and drop the first `count`."""
    candidates = [
        (abs(float(weights[name].flat[i])), tensor, i)
        for tensor, name in enumerate(masks)
        for i in range(masks[name].size)
        if name not in dense and masks[name].flat[i]
    ]
    names = list(masks)
    result = {name: mask.copy() for name, mask in masks.items()}
    for _, tensor, i in sorted(candidates)[:count]:
        result[names[tensor]].flat[i] = False
    return result


@st.composite
def networks(draw: st.DrawFn) -> tuple[Arrays, Arrays]:
    """A few small tensors, many weights of equal magnitude, some already pruned, in no alphabetical order."""
    names = draw(st.permutations(["a", "b", "c", "d"]))[: draw(st.integers(1, 4))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = draw(st.integers(1, 30))
    weights, masks = {}, {}
    for name in names:
        shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
        weights[name] = (rng.integers(-levels, levels + 1, shape) / 8).astype(np.float32)
        masks[name] = rng.random(shape) < draw(st.sampled_from([0.3, 0.8, 1.0]))
        if draw(st.booleans()):
            weights[name] = np.asfortranarray(weights[name])
    return weights, masks


class TestPrune:
    @settings(max_examples=200)
    @given(networks(), st.sampled_from([0.0, 0.05, 0.2, 0.37, 0.5, 0.99]), st.integers(1, 4))
    def test_equals_a_sort_at_several_levels(
        self, network: tuple[Arrays, Arrays], fraction: float, levels: int
    ) -> None:
        weights, masks = network
        for _ in range(levels):
            survivors = sum(int(mask.sum()) for mask in masks.values())
            count = math.ceil(round(fraction * 100) * survivors / 100)
            expected = sorted_oracle(weights, masks, count, ())
            masks = prune(weights, masks, fraction)
            assert list(masks) == list(expected)
            for name, mask in masks.items():
                np.testing.assert_array_equal(mask, expected[name])

    @settings(max_examples=100)
    @given(networks(), st.sampled_from([0.05, 0.2, 0.5]))
    def test_dense_tensors_count_and_stay(self, network: tuple[Arrays, Arrays], fraction: float) -> None:
        weights, masks = network
        dense = {next(iter(masks))}
        survivors = sum(int(mask.sum()) for mask in masks.values())
        count = math.ceil(round(fraction * 100) * survivors / 100)
        if count > sum(int(mask.sum()) for name, mask in masks.items() if name not in dense):
            with pytest.raises(ValueError, match=f"^{survivors - count} survivors asked for"):
                prune(weights, masks, fraction, dense)
            return
        expected = sorted_oracle(weights, masks, count, dense)
        for name, mask in prune(weights, masks, fraction, dense).items():
            np.testing.assert_array_equal(mask, expected[name])

    @settings(max_examples=100)
    @given(networks(), st.sampled_from([0.0, 0.05, 0.2, 0.5, 0.99]), st.booleans())
    def test_layer_by_layer_every_tensor_loses_its_own_share(
        self, network: tuple[Arrays, Arrays], fraction: float, keeping: bool
    ) -> None:
        weights, masks = network
        dense = {next(iter(masks))} if keeping else set()
        pruned = prune(weights, masks, fraction, dense, scope="layer")
        assert list(pruned) == list(masks)
        for name, mask in masks.items():
            count = 0 if name in dense else math.ceil(round(fraction * 100) * int(mask.sum()) / 100)
            expected = sorted_oracle(weights, {name: mask}, count, ())
            np.testing.assert_array_equal(pruned[name], expected[name])

    @pytest.mark.parametrize("name", ["mlp_2", "cifar_resnet_14"])
    @pytest.mark.parametrize("dense", [(), ("fc.weight",)])
    def test_exact_counts_at_every_level_to_ten(self, name: str, dense: tuple[str, ...]) -> None:
        net = architecture(name, (3, 8, 8), 10)
        weights = initialise(net, 0)
        masks = {spec.name: np.ones(spec.shape, np.bool_) for spec in net.prunable}
        for level in range(11):
            survivors = sum(int(mask.sum()) for mask in masks.values())
            assert survivors == survivors_at(level, net.prunable_weights, 0.2)
            assert all(masks[kept].all() for kept in dense)
            pruned = prune(weights, masks, 0.2, dense)
            assert all(not (pruned[name] & ~masks[name]).any() for name in masks)
            masks = pruned

    def test_ties_go_by_tensor_order_then_flat_index(self) -> None:
        weights = {"z": np.array([1, -1], np.float32), "a": np.array([1, 1, 2], np.float32)}
        masks = {name: np.ones(weights[name].shape, np.bool_) for name in weights}
        pruned = prune(weights, masks, 0.6)
        np.testing.assert_array_equal(pruned["z"], [False, False])
        np.testing.assert_array_equal(pruned["a"], [False, True, True])

    def test_the_given_masks_are_left_alone(self) -> None:
        masks = {"a": np.ones(4, np.bool_)}
        prune({"a": np.arange(4, dtype=np.float32)}, masks, 0.5)
        assert masks["a"].all()

    def test_a_surviving_nan_is_refused(self) -> None:
        with pytest.raises(ValueError, match="NaN"):
            prune({"a": np.array([1, np.nan], np.float32)}, {"a": np.ones(2, np.bool_)}, 0.2)

    @pytest.mark.parametrize("scope", ["global", "layer"])
    def test_a_misfitting_mask_is_refused(self, scope: Literal["global", "layer"]) -> None:
        with pytest.raises(ValueError, match=r"a has a mask of shape \(2,\)"):
            prune({"a": np.ones(3, np.float32)}, {"a": np.ones(2, np.bool_)}, 0.2, scope=scope)
        with pytest.raises(ValueError, match="nothing"):
            prune({}, {"a": np.ones(2, np.bool_)}, 0.2, scope=scope)

    @pytest.mark.parametrize("scope", ["global", "layer"])
    def test_an_unknown_dense_tensor_is_refused(self, scope: Literal["global", "layer"]) -> None:
        with pytest.raises(ValueError, match=r"fc\.weight"):
            prune({"a": np.ones(2, np.float32)}, {"a": np.ones(2, np.bool_)}, 0.2, ["fc.weight"], scope)
