from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from core.families import architecture
from core.families.initialisation import initialise
from core.models import NoNetwork, build
from core.models.resized import build_resized
from core.models.state import load_state, state


class TestBuildResized:
    @pytest.mark.parametrize(
        ("name", "shape"),
        [
            ("mlp_2_12_8", (1, 3, 4)),
            ("lenet5", (1, 12, 12)),
            ("cifar_resnet_8_4", (3, 8, 8)),
            ("cifar_vgg_11_4_fc3", (3, 32, 32)),
            ("imagenet_resnet_50_4", (3, 40, 40)),
            ("cifar_mobilenetv1_1", (1, 8, 8)),
        ],
    )
    def test_at_its_own_sizes_it_is_the_network(self, name: str, shape: tuple[int, int, int]) -> None:
        network = architecture(name, shape, 5)
        arrays, images = initialise(network, 0), torch.randn(2, *shape)
        model, resized = build(network).eval(), build_resized(network, arrays).eval()
        load_state(model, arrays)
        with torch.no_grad():
            assert torch.equal(resized(images), model(images))
        held = state(resized)
        assert list(held) == list(arrays)
        assert all(np.array_equal(held[name], array) for name, array in arrays.items())
        assert str(resized) == str(model)

    def test_a_depthwise_convolution_has_a_group_per_channel(self) -> None:
        network = architecture("cifar_mobilenetv1_1", (3, 8, 8), 5)
        arrays = initialise(network, 0)
        for spec in network.tensors:
            for dimension, group in enumerate(spec.axes):
                if group:
                    arrays[spec.name] = arrays[spec.name].take(range(spec.shape[dimension] // 4), dimension)
        model = build_resized(network, arrays).eval()
        convolution = model.get_submodule("layers_part1.0.conv1")
        assert isinstance(convolution, nn.Conv2d)
        assert (convolution.groups, convolution.in_channels, convolution.out_channels) == (8, 8, 8)
        with torch.no_grad():
            assert model(torch.randn(2, 3, 8, 8)).shape == (2, 5)

    def test_an_architecture_without_a_network_is_refused(self) -> None:
        posted = replace(architecture("mlp_1", (1, 2, 2), 3), family="mine")
        with pytest.raises(NoNetwork):
            build_resized(posted, initialise(posted, 0))
