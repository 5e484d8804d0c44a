"""Paths counted by channels, against the gradients of networks in which nothing can cancel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.families import architecture
from core.families.architecture import Architecture, Role
from core.families.definition import made_definition
from core.families.posted import posted_architecture
from core.models import build
from core.models.state import load_state
from core.pruning.reachability import LayerReach, Reach, reach

Masks = Mapping[str, np.ndarray]

NETWORKS = [
    ("mlp_1_5_4", (1, 2, 3)),
    ("mlp_3_6_5", (1, 2, 3)),
    ("lenet5", (1, 32, 32)),
    ("cifar_resnet_8_4", (3, 8, 8)),
    ("cifar_resnet_20_3", (1, 8, 8)),
    ("cifar_vgg_11_2", (3, 32, 32)),
    ("cifar_vgg_13_2_fc3", (1, 32, 32)),
    ("cifar_mobilenetv1_2", (1, 32, 32)),
    ("imagenet_resnet_18_4", (3, 64, 64)),
    ("imagenet_resnet_50_2", (3, 64, 64)),
    ("cifarhe_resnet_18_4", (1, 16, 16)),
]


def drawn(network: Architecture, seed: int, degree: float, hollow: float) -> dict[str, np.ndarray]:
    """Random masks in which a filter reads about `degree` channels; some layers are empty.

    A kernel that survives has its centre, so that no path ends at the border of a small map.
    """
    numbers = np.random.default_rng(seed)
    masks = {}
    for spec in network.prunable:
        joined = numbers.random(spec.shape[:2]) < degree / spec.shape[1]
        if numbers.random() < hollow:
            joined[:] = False
        kernel = spec.shape[2:]
        mask = np.broadcast_to(joined.reshape(*joined.shape, *[1] * len(kernel)), spec.shape).copy()
        if kernel:
            places = numbers.random(spec.shape) < 0.4
            places[..., kernel[0] // 2, kernel[1] // 2] = True
            mask &= places
        masks[spec.name] = mask
    return masks


def on_a_path(network: Architecture, masks: Masks) -> dict[str, np.ndarray]:
    """Per weight whether it moves an output: positive images and weights, no biases, normalisation as identity."""
    arrays = {}
    for spec in network.tensors:
        if spec.role is Role.WEIGHT:
            mask = masks[spec.name]
            filters = mask.reshape(len(mask), -1).sum(1).reshape(-1, *[1] * (mask.ndim - 1))
            arrays[spec.name] = (
                mask * np.random.default_rng(0).uniform(0.5, 1, mask.shape) / np.maximum(filters, 1)
            )
        elif spec.role is Role.COUNT:
            arrays[spec.name] = np.array(1)
        else:
            one = spec.role in (Role.SCALE, Role.VARIANCE)
            arrays[spec.name] = np.full(spec.shape, float(one))
    model = build(network).double().eval()
    load_state(model, arrays)
    model(torch.rand(1, *network.input, dtype=torch.float64) + 0.5).sum().backward()
    weights = dict(model.named_parameters())
    return {name: mask & (weights[name].grad.numpy() != 0) for name, mask in masks.items()}


class TestReach:
    @pytest.mark.parametrize(("name", "shape"), NETWORKS)
    @given(seed=st.integers(0, 2**32 - 1), degree=st.floats(0.3, 3), hollow=st.sampled_from([0, 0.1]))
    @settings(max_examples=12, deadline=None)
    def test_a_weight_is_effective_if_and_only_if_it_moves_an_output(
        self, name: str, shape: tuple[int, int, int], seed: int, degree: float, hollow: float
    ) -> None:
        network = architecture(name, shape, 3)
        masks = drawn(network, seed, degree, hollow)
        effective = on_a_path(network, masks)
        found = reach(network, masks)
        assert found.layers == tuple(
            LayerReach(
                name=spec.name,
                size=spec.size,
                survivors=int(masks[spec.name].sum()),
                effective=int(effective[spec.name].sum()),
                channels=spec.shape[0],
                dead=sum(not row.any() for row in effective[spec.name]),
            )
            for spec in network.prunable
        )
        survivors = sum(int(mask.sum()) for mask in masks.values())
        moving = sum(int(weights.sum()) for weights in effective.values())
        assert (found.effective, found.unreachable) == (moving, survivors - moving)
        assert found.effective_sparsity == (network.prunable_weights - moving) / network.prunable_weights
        assert found.empty == tuple(name for name, mask in masks.items() if not mask.any())

    @pytest.mark.parametrize(("name", "shape"), NETWORKS)
    def test_nothing_of_a_dense_network_is_dead(self, name: str, shape: tuple[int, int, int]) -> None:
        network = architecture(name, shape, 3)
        found = reach(network, {spec.name: np.ones(spec.shape, bool) for spec in network.prunable})
        assert (found.unreachable, found.effective_sparsity, found.empty) == (0, 0.0, ())
        assert not any(layer.dead for layer in found.layers)


class TestSources:
    def test_what_only_biases_feed_is_on_no_path(self) -> None:
        network = architecture("mlp_1_4_4", (1, 1, 3), 2)
        masks = {spec.name: np.ones(spec.shape, bool) for spec in network.prunable}
        masks["fc_layers.0.weight"][:] = False
        found = reach(network, masks)
        assert found.empty == ("fc_layers.0.weight",)
        assert (found.effective, found.unreachable) == (0, 4 * 4 + 2 * 4)
        assert [layer.dead for layer in found.layers] == [4, 4, 2]

    def test_an_empty_block_is_bridged_by_its_identity_and_an_empty_stem_is_not(self) -> None:
        network = architecture("cifar_resnet_8_2", (1, 8, 8), 2)
        masks = {spec.name: np.ones(spec.shape, bool) for spec in network.prunable}
        masks["blocks.0.conv1.weight"][:] = False
        bridged = reach(network, masks)
        assert bridged.unreachable == masks["blocks.0.conv2.weight"].size
        assert {layer.name: layer.dead for layer in bridged.layers if layer.dead} == {
            "blocks.0.conv1.weight": 2,
            "blocks.0.conv2.weight": 2,
        }
        masks["conv.weight"][:] = False
        assert reach(network, masks).effective == 0

    def test_a_later_block_does_not_feed_an_earlier_one(self) -> None:
        network = architecture("cifar_resnet_14_2", (1, 8, 8), 2)
        masks = {spec.name: np.ones(spec.shape, bool) for spec in network.prunable}
        # Channel 1 of the first stream is written by the second block alone, and the first block reads it alone.
        masks["conv.weight"][1] = False
        masks["blocks.0.conv1.weight"][:, 0] = False
        masks["blocks.0.conv2.weight"][1] = False
        layers = {layer.name: layer for layer in reach(network, masks).layers}
        assert layers["blocks.0.conv1.weight"].effective == layers["blocks.0.conv2.weight"].effective == 0
        assert layers["blocks.1.conv1.weight"].effective == 2 * 9
        assert layers["blocks.1.conv2.weight"].dead == 0


class TestUnknownWiring:
    def test_only_survivors_are_counted(self) -> None:
        definition = made_definition(
            {"name": "chain", "prunable": ["*"], "tensors": {"a": [2, 3], "b": [1, 2]}}
        )
        masks = {"a": np.eye(2, 3, dtype=bool), "b": np.zeros((1, 2), bool)}
        found = reach(posted_architecture(definition), masks)
        assert found == Reach((LayerReach("a", 6, 2), LayerReach("b", 2, 0)))
        assert (found.effective, found.effective_sparsity, found.unreachable) == (None, None, None)
        assert found.empty == ("b",)
