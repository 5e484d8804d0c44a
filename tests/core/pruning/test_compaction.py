from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.families import architecture
from core.families.architecture import Architecture
from core.models import build
from core.models.state import load_state, state
from core.pruning.channels import weight_masks, written_by
from core.pruning.compaction import Compacted, compact

Arrays = dict[str, np.ndarray]
Drawn = Callable[[Architecture, int], Arrays]

SOME = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def some_channels(network: Architecture, rng: np.random.Generator) -> Arrays:
    """A random channel mask; in about half of the groups whole channels are pruned by all who write them."""
    density = rng.choice([0.2, 0.5, 0.9])
    masks = {scale: rng.random(network.specs[scale].shape) < density for scale in written_by(network)}
    groups = dict.fromkeys(network.specs[scale].axes[0] for scale in masks)
    for group in groups:
        size = next(len(masks[scale]) for scale in masks if network.specs[scale].axes[0] == group)
        dead = rng.random(size) < rng.choice([0, 0.4, 1.0], p=[0.5, 0.45, 0.05])
        for scale, mask in masks.items():
            if network.specs[scale].axes[0] == group:
                mask &= ~dead
    return masks


def rows_and_columns(network: Architecture, rng: np.random.Generator) -> Arrays:
    """Masks that empty some rows and columns, each by itself, and a share of all weights."""
    masks = {}
    for spec in network.prunable:
        mask = rng.random(spec.shape) < rng.choice([0.5, 1.0])
        mask[rng.random(spec.shape[0]) < rng.choice([0, 0.5])] = False
        mask[:, rng.random(spec.shape[1]) < rng.choice([0, 0.5])] = False
        masks[spec.name] = mask
    return masks


def assert_computes_the_same(
    network: Architecture, weights: Arrays, masks: Mapping[str, np.ndarray], found: Compacted
) -> None:
    model = build(network).eval()
    load_state(model, {name: array * masks.get(name, True) for name, array in weights.items()})
    images = torch.randn(3, *network.input, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, logits = model(images), found.network(images)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5 * max(1, expected.abs().max().item()))
    held = state(found.network)
    assert list(held) == list(weights) == list(found.weights)
    for name, array in held.items():
        assert array.dtype == weights[name].dtype
        assert np.array_equal(array, found.weights[name])
    for spec in network.tensors:
        sizes = [
            len(found.channels[group]) if group else size
            for group, size in zip(spec.axes, spec.shape, strict=False)
        ]
        assert list(held[spec.name].shape) == sizes


class TestOutputs:
    @SOME
    @given(seed=st.integers(0, 2**32), dense=st.sampled_from([(), ("fc.weight",)]))
    def test_are_equal_under_channel_masks(
        self, normalised: Architecture, drawn: Drawn, seed: int, dense: tuple[str, ...]
    ) -> None:
        weights = drawn(normalised, seed % 7)
        masks = weight_masks(normalised, some_channels(normalised, np.random.default_rng(seed)), dense)
        assert_computes_the_same(normalised, weights, masks, compact(normalised, weights, masks))

    @SOME
    @given(seed=st.integers(0, 2**32))
    def test_are_equal_where_rows_and_columns_are_empty_by_themselves(
        self, normalised: Architecture, drawn: Drawn, seed: int
    ) -> None:
        weights = drawn(normalised, seed % 7)
        masks = rows_and_columns(normalised, np.random.default_rng(seed))
        assert_computes_the_same(normalised, weights, masks, compact(normalised, weights, masks))

    @settings(SOME, max_examples=40)
    @given(seed=st.integers(0, 2**32))
    def test_are_equal_without_normalisation(
        self, unnormalised: Architecture, drawn: Drawn, seed: int
    ) -> None:
        weights = drawn(unnormalised, seed % 7)
        masks = rows_and_columns(unnormalised, np.random.default_rng(seed))
        assert_computes_the_same(unnormalised, weights, masks, compact(unnormalised, weights, masks))

    @pytest.mark.parametrize("name", ["imagenet_resnet_50_2", "cifar_mobilenetv1_1", "mlp_2_12_8"])
    def test_are_equal_where_nothing_survives(self, name: str, drawn: Drawn) -> None:
        network = architecture(name, (3, 40, 40), 5)
        weights = drawn(network, 0)
        masks = {spec.name: np.zeros(spec.shape, bool) for spec in network.prunable}
        found = compact(network, weights, masks)
        assert_computes_the_same(network, weights, masks, found)
        assert {len(kept) for kept in found.channels.values()} == {1}


class TestChannels:
    def test_a_mask_without_structure_leaves_out_nothing(
        self, normalised: Architecture, drawn: Drawn
    ) -> None:
        weights, rng = drawn(normalised, 0), np.random.default_rng(0)
        masks = {spec.name: rng.random(spec.shape) < 0.5 for spec in normalised.prunable}
        for spec in normalised.prunable:
            # No row and no column is empty.
            masks[spec.name].reshape(*spec.shape[:2], -1)[..., 0] = True
        found = compact(normalised, weights, masks)
        for name, array in found.weights.items():
            assert np.array_equal(array, weights[name] * masks.get(name, True)), name

    def test_inner_channels_and_those_of_a_stream_that_are_dead_are_left_out(self, drawn: Drawn) -> None:
        network = architecture("cifar_resnet_8_4", (3, 8, 8), 5)
        channels = {scale: np.ones(network.specs[scale].shape, bool) for scale in written_by(network)}
        channels["blocks.0.bn1.weight"][[0, 3]] = False
        channels["bn.weight"][[1, 2]] = False
        channels["blocks.0.bn2.weight"][2] = False
        found = compact(network, drawn(network, 0), weight_masks(network, channels))
        assert found.channels["blocks.0.conv1"].tolist() == [1, 2]
        assert found.channels["stage1"].tolist() == [0, 1, 3]
        assert {group: len(kept) for group, kept in found.channels.items()} == {
            "stage1": 3,
            "blocks.0.conv1": 2,
            "blocks.1.conv1": 8,
            "stage2": 8,
            "blocks.2.conv1": 16,
            "stage3": 16,
        }
        shapes = {name: array.shape for name, array in found.weights.items()}
        assert shapes["conv.weight"] == (3, 3, 3, 3)
        assert shapes["blocks.0.conv1.weight"] == (2, 3, 3, 3)
        assert shapes["blocks.0.conv2.weight"] == (3, 2, 3, 3)
        assert shapes["blocks.1.shortcut.0.weight"] == (8, 3, 1, 1)

    def test_every_pruned_channel_of_a_chain_is_left_out(self, drawn: Drawn) -> None:
        network, rng = architecture("cifar_vgg_11_4", (3, 32, 32), 5), np.random.default_rng(0)
        channels = {
            scale: np.arange(network.specs[scale].size) < network.specs[scale].size // 2
            for scale in written_by(network)
        }
        for dense in ((), ("fc.weight",)):
            # The last layer reads constants where it is dense: they go into its bias.
            found = compact(
                network, drawn(network, int(rng.integers(9))), weight_masks(network, channels, dense)
            )
            assert {name: len(kept) for name, kept in found.channels.items()} == {
                scale.removesuffix(".bn.weight"): mask.sum() for scale, mask in channels.items()
            }

    def test_a_neuron_whose_outputs_are_pruned_is_left_out_and_what_fed_only_it(self, drawn: Drawn) -> None:
        network = architecture("mlp_2_12_8", (1, 3, 4), 5)
        masks = {spec.name: np.ones(spec.shape, bool) for spec in network.prunable}
        masks["fc.weight"][:, 5] = False
        # Neuron 7 of the layer before feeds neuron 5 alone.
        masks["fc_layers.2.weight"][:5, 7] = False
        masks["fc_layers.2.weight"][6:, 7] = False
        found = compact(network, drawn(network, 0), masks)
        assert found.channels["fc_layers.2"].tolist() == [0, 1, 2, 3, 4, 6, 7]
        assert 7 not in found.channels["fc_layers.1"]
        assert len(found.channels["fc_layers.1"]) == 11
        assert len(found.channels["fc_layers.0"]) == 12

    def test_a_constant_that_a_padded_convolution_reads_stays(self, drawn: Drawn) -> None:
        network = architecture("cifar_vgg_11_4", (3, 32, 32), 5)
        weights = drawn(network, 0)
        masks = {spec.name: np.ones(spec.shape, bool) for spec in network.prunable}
        masks["layers.0.conv.weight"][:2] = False
        weights["layers.0.bn.bias"][:2] = [9, -9]
        weights["layers.0.bn.weight"][:2] = 0.1
        # Channel 0 is 9 or so inside the image and 0 beyond it; channel 1 is 0 everywhere.
        found = compact(network, weights, masks)
        assert found.channels["layers.0"].tolist() == [0, 2, 3]
        assert_computes_the_same(network, weights, masks, found)

    def test_a_depthwise_convolution_that_is_pruned_makes_constant_what_was_none(self, drawn: Drawn) -> None:
        network = architecture("cifar_mobilenetv1_1", (1, 8, 8), 5)
        weights = drawn(network, 0)
        masks = {spec.name: np.ones(spec.shape, bool) for spec in network.prunable}
        masks["layers_part1.0.conv1.weight"][3] = False
        weights["layers_part1.0.bn1.bias"][3] = 9
        found = compact(network, weights, masks)
        assert found.channels["conv"].tolist() == [c for c in range(32) if c != 3]
        assert_computes_the_same(network, weights, masks, found)
        # Pruned before it, the channel is a constant with a border.
        masks["layers_part1.0.conv1.weight"][3] = True
        masks["conv.weight"][3] = False
        weights["bn.bias"][3] = 9
        found = compact(network, weights, masks)
        assert len(found.channels["conv"]) == 32
        assert_computes_the_same(network, weights, masks, found)

    def test_the_arrays_given_are_left_alone(self, normalised: Architecture, drawn: Drawn) -> None:
        weights = drawn(normalised, 0)
        masks = weight_masks(normalised, some_channels(normalised, np.random.default_rng(0)))
        compact(normalised, weights, masks)
        assert all(np.array_equal(weights[name], array) for name, array in drawn(normalised, 0).items())
