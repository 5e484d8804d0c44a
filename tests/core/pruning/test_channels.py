from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from core.families import architecture
from core.families.architecture import Architecture, Role
from core.models import build
from core.models.state import load_state
from core.pruning.channels import NoChannels, check_channels, dead_channels, weight_masks, written_by

Arrays = Mapping[str, np.ndarray]
Drawn = Callable[[Architecture, int], dict[str, np.ndarray]]


def random_channels(network: Architecture, seed: int, density: float = 0.5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    scales = [spec for spec in network.tensors if spec.role is Role.SCALE]
    return {spec.name: rng.random(spec.shape) < density for spec in scales}


def images(network: Architecture) -> torch.Tensor:
    return torch.randn(2, *network.input, generator=torch.Generator().manual_seed(0))


def logits(network: Architecture, arrays: Arrays, *, training: bool = False) -> np.ndarray:
    model = build(network)
    load_state(model, arrays)
    with torch.no_grad():
        return model.train(training)(images(network)).numpy()


class TestWrittenBy:
    def test_is_the_weight_whose_very_output_the_normalisation_is_given(
        self, normalised: Architecture
    ) -> None:
        model, produced, found = build(normalised).eval(), {}, {}

        def see(name: str) -> Callable[..., None]:
            def hook(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
                if isinstance(module, nn.BatchNorm2d):
                    found[f"{name}.weight"] = produced[id(inputs[0])][0]
                else:
                    # Kept with its output: an identity is of living objects only.
                    produced[id(output)] = f"{name}.weight", output

            return hook

        for name, module in model.named_modules():
            if isinstance(module, nn.BatchNorm2d | nn.Conv2d):
                module.register_forward_hook(see(name))
        with torch.no_grad():
            model(images(normalised))
        assert written_by(normalised) == found
        assert len(found) == sum(spec.role is Role.SCALE for spec in normalised.tensors)


class TestCheckChannels:
    def test_a_network_without_normalisation_is_refused(self, unnormalised: Architecture) -> None:
        with pytest.raises(NoChannels, match=f"{unnormalised.name} has no batch normalisation.* accepted: "):
            check_channels(unnormalised)
        with pytest.raises(NoChannels):
            weight_masks(unnormalised, {})

    def test_so_is_one_whose_wiring_is_not_known(self) -> None:
        network = architecture("cifar_resnet_8_4", (3, 8, 8), 5)
        posted = replace(network, tensors=tuple(replace(spec, axes=()) for spec in network.tensors))
        with pytest.raises(NoChannels, match=r"what writes the channels of bn\.weight is not known"):
            check_channels(posted)

    def test_every_other_is_accepted(self, normalised: Architecture) -> None:
        check_channels(normalised)


class TestWeightMasks:
    @pytest.mark.parametrize("seed", range(3))
    def test_a_pruned_channel_is_normalised_from_nothing(
        self, normalised: Architecture, seed: int, drawn: Drawn
    ) -> None:
        channels = random_channels(normalised, seed)
        masks, weights = weight_masks(normalised, channels), drawn(normalised, seed)
        for spec in normalised.tensors:
            if spec.role is Role.BIAS:
                weights[spec.name][:] = 0
        model = build(normalised).eval()
        load_state(model, {name: array * masks.get(name, True) for name, array in weights.items()})
        given: dict[str, torch.Tensor] = {}
        for name, module in model.named_modules():
            if isinstance(module, nn.BatchNorm2d):
                module.register_forward_pre_hook(
                    lambda _, inputs, name=name: given.update({f"{name}.weight": inputs[0]})
                )
        with torch.no_grad():
            model(images(normalised))
        for scale, kept in channels.items():
            assert not given[scale][:, ~kept].any()

    @pytest.mark.parametrize("training", [False, True])
    def test_a_dead_channel_is_dead_whatever_its_shift_becomes(
        self, normalised: Architecture, training: bool, drawn: Drawn
    ) -> None:
        channels = random_channels(normalised, 1, 0.4)
        masks = weight_masks(normalised, channels)
        dead = dead_channels(normalised, channels)
        weights = {
            name: array * masks[name] if name in masks else array
            for name, array in drawn(normalised, 0).items()
        }
        expected = logits(normalised, weights, training=training)
        assert any(mask.any() for mask in dead.values())
        for spec in normalised.tensors:
            if spec.role in (Role.SHIFT, Role.SCALE) and spec.axes[0] in dead:
                weights[spec.name] = weights[spec.name] + 5 * dead[spec.axes[0]].astype(np.float32)
        found = logits(normalised, weights, training=training)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())

    def test_only_channels_that_are_dead_take_what_reads_them(self, normalised: Architecture) -> None:
        channels = random_channels(normalised, 2)
        masks, dead = weight_masks(normalised, channels), dead_channels(normalised, channels)
        writers = {weight: scale for scale, weight in written_by(normalised).items()}
        for spec in normalised.prunable:
            expected = np.ones(spec.shape, bool)
            if spec.name in writers:
                expected[~channels[writers[spec.name]]] = False
            if spec.axes[0] in dead:
                expected[dead[spec.axes[0]]] = False
            if spec.axes[1] in dead:
                expected[:, dead[spec.axes[1]]] = False
            assert np.array_equal(masks[spec.name], expected), spec.name

    def test_in_a_residual_stream_one_writer_keeps_a_channel_alive(self) -> None:
        network = architecture("cifar_resnet_14_4", (3, 8, 8), 5)
        channels = {scale: np.ones(network.specs[scale].shape, bool) for scale in written_by(network)}
        # The first stage's stream is written by the stem and by two blocks: channel 1 by all, 2 by two of them.
        for scale, pruned in {"bn": [1, 2], "blocks.0.bn2": [1, 2], "blocks.1.bn2": [1]}.items():
            channels[f"{scale}.weight"][pruned] = False
        masks = weight_masks(network, channels)
        assert masks["conv.weight"].any((1, 2, 3)).tolist() == [True, False, False, True]
        assert masks["blocks.1.conv2.weight"].any((1, 2, 3)).tolist() == [True, False, True, True]
        for reader in ("blocks.0.conv1", "blocks.1.conv1", "blocks.2.conv1", "blocks.2.shortcut.0"):
            read = masks[f"{reader}.weight"]
            assert read.any((0, 2, 3)).tolist() == [True, False, True, True]
            assert read.sum() == read.size * 3 // 4
        whole = sum(mask.size - mask.sum() for name, mask in masks.items() if name.startswith("blocks.3"))
        assert whole == 0

    def test_a_depthwise_convolution_ends_a_channel_by_itself(self) -> None:
        network = architecture("cifar_mobilenetv1_1", (1, 8, 8), 5)
        for scale in ("bn.weight", "layers_part1.0.bn1.weight"):
            channels = {name: np.ones(network.specs[name].shape, bool) for name in written_by(network)}
            channels[scale][3] = False
            masks = weight_masks(network, channels)
            assert not masks["conv.weight"][3].any()
            assert not masks["layers_part1.0.conv1.weight"][3].any()
            assert not masks["layers_part1.0.conv2.weight"][:, 3].any()
            assert sum(mask.size - mask.sum() for mask in masks.values()) == 9 + 9 + 64

    def test_dense_tensors_stay_whole(self, normalised: Architecture) -> None:
        channels = random_channels(normalised, 0, 0.1)
        without = weight_masks(normalised, channels)
        masks = weight_masks(normalised, channels, ("fc.weight",))
        assert masks["fc.weight"].all()
        assert all(np.array_equal(masks[name], without[name]) for name in masks if name != "fc.weight")

    def test_an_unknown_dense_tensor_is_refused(self, normalised: Architecture) -> None:
        with pytest.raises(ValueError, match="not among the prunable tensors: nothing"):
            weight_masks(normalised, random_channels(normalised, 0), ("nothing",))
