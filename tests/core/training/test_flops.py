from __future__ import annotations

import numpy as np
import pytest

from core.families import architecture
from core.training.flops import forward_flops, forward_flops_seen, training_flops


class TestForward:
    def test_of_a_perceptron_is_twice_its_weights(self) -> None:
        network = architecture("mlp_2", (1, 28, 28), 10)
        found = forward_flops(network)
        assert found == {spec.name: 2 * spec.size for spec in network.prunable}

    @pytest.mark.parametrize(
        ("name", "shape", "classes", "multiplications"),
        # He et al. (2016): 3.6e9 for ResNet-34, 1.8e9 for ResNet-18; 4.1e9 for ResNet-50 as torchvision has it.
        [
            ("imagenet_resnet_18", (3, 224, 224), 1000, 1.81e9),
            ("imagenet_resnet_34", (3, 224, 224), 1000, 3.66e9),
            ("imagenet_resnet_50", (3, 224, 224), 1000, 4.09e9),
            ("cifar_resnet_20", (3, 32, 32), 10, 40.8e6),
        ],
    )
    def test_published_counts(
        self, name: str, shape: tuple[int, int, int], classes: int, multiplications: float
    ) -> None:
        found = sum(forward_flops(architecture(name, shape, classes)).values()) / 2
        assert found == pytest.approx(multiplications, rel=0.01)

    def test_depthwise_convolutions_count_one_channel_per_filter(self) -> None:
        network = architecture("cifar_mobilenetv1_5", (3, 32, 32), 10)
        found = forward_flops(network)
        # 32 filters of 3×3×1 at 32×32 places.
        assert found["layers_part1.0.conv1.weight"] == 2 * 32 * 9 * 32 * 32

    @pytest.mark.parametrize(
        "name", ["mlp_2", "lenet5", "cifar_vgg_13_fc3", "cifarhe_resnet_26", "cifar_mobilenetv1_5"]
    )
    def test_what_a_family_knows_is_what_its_layers_see(self, name: str) -> None:
        network = architecture(name, (3, 32, 32), 10)
        assert forward_flops(network) == forward_flops_seen(network)

    @pytest.mark.parametrize("name", ["lenet5", "cifar_vgg_13_fc3", "cifarhe_resnet_26"])
    def test_every_prunable_tensor_is_counted(self, name: str) -> None:
        network = architecture(name, (3, 32, 32), 10)
        assert forward_flops(network).keys() == {spec.name for spec in network.prunable}


class TestTraining:
    def test_pruned_weights_cost_nothing_in_the_sparse_count(self) -> None:
        network = architecture("cifar_resnet_8_4", (3, 8, 8), 3)
        rng = np.random.default_rng(0)
        masks = {spec.name: rng.random(spec.shape) < 0.2 for spec in network.prunable}
        dense, sparse = training_flops(network, masks)
        forward = forward_flops(network)
        assert dense == 3 * sum(forward.values())
        expected = sum(3 * forward[name] * mask.sum() / mask.size for name, mask in masks.items())
        assert sparse == pytest.approx(expected, abs=1)
        assert training_flops(network, {}) == (dense, dense)
