from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.families import architecture
from core.families.architecture import Role, TensorSpec
from core.families.initialisation import initialise

RESNET = architecture("cifar_resnet_20", [3, 32, 32], 10)
MLP = architecture("mlp_3", [1, 28, 28], 10)
VGG = architecture("cifar_vgg_13_16_fc3", [3, 32, 32], 10)
MOBILENET = architecture("cifar_mobilenetv1_1", [3, 32, 32], 10)


class TestDistributions:
    @pytest.mark.parametrize(
        ("network", "name", "fan_in"),
        [
            (MLP, "fc_layers.0.weight", 784),
            (MLP, "fc_layers.1.weight", 300),
            (RESNET, "blocks.8.conv2.weight", 9 * 64),
            (RESNET, "blocks.6.shortcut.0.weight", 32),
            (VGG, "layers.10.conv.weight", 9 * 128),
            (MOBILENET, "layers_part3.1.conv1.weight", 9),
        ],
    )
    def test_weights_are_kaiming_normal(self, network, name, fan_in):
        z = initialise(network, 3, [name])[name].ravel() / math.sqrt(2 / fan_in)
        # Five standard errors of the mean, the variance and the fourth moment of a standard normal.
        assert abs(z.mean()) < 5 / math.sqrt(z.size)
        assert abs((z**2).mean() - 1) < 5 * math.sqrt(2 / z.size)
        assert abs((z**4).mean() - 3) < 5 * math.sqrt(96 / z.size)

    @pytest.mark.parametrize(
        ("network", "layer", "fan_in"),
        [
            (MLP, "fc_layers.0", 784),
            (MLP, "fc_layers.2", 300),
            (MLP, "fc", 100),
            (VGG, "layers.0.conv", 9 * 3),
            (VGG, "layers.12.conv", 9 * 128),
            (VGG, "classifier.2", 128),
        ],
    )
    def test_biases_are_uniform_in_the_bounds_of_their_layer(self, network, layer, fan_in):
        scaled = initialise(network, 0, [f"{layer}.bias"])[f"{layer}.bias"] * math.sqrt(fan_in)
        assert np.abs(scaled).max() <= 1 + 1e-6
        assert np.abs(scaled).max() > 0.75
        assert abs(scaled.mean()) < 5 / math.sqrt(3 * scaled.size)

    def test_batch_norm(self):
        arrays = initialise(RESNET, 0)
        scales = np.concatenate([arrays[f"blocks.{i}.bn1.weight"] for i in range(9)])
        assert scales.min() >= 0
        assert scales.max() < 1
        assert abs(scales.mean() - 0.5) < 5 / math.sqrt(12 * scales.size)
        assert not arrays["bn.bias"].any()
        assert not arrays["bn.running_mean"].any()
        assert (arrays["bn.running_var"] == 1).all()
        assert arrays["bn.num_batches_tracked"] == 0

    def test_names_shapes_and_dtypes_are_the_architectures(self):
        numpy_type = {"F32": np.dtype(np.float32), "I64": np.dtype(np.int64)}
        smallest = ("lenet5", "cifarhe_resnet_50_2", "imagenet_resnet_18_2")
        for network in (MLP, RESNET, VGG, MOBILENET, *(architecture(n, [3, 32, 32], 7) for n in smallest)):
            arrays = initialise(network, 0)
            assert list(arrays) == [spec.name for spec in network.tensors]
            for spec in network.tensors:
                assert isinstance(arrays[spec.name], np.ndarray)
                assert (arrays[spec.name].shape, arrays[spec.name].dtype) == (
                    spec.shape,
                    numpy_type[spec.dtype],
                )


class TestSeeds:
    @settings(max_examples=20)
    @given(st.integers(0, 2**63 - 1))
    def test_a_seed_repeats(self, seed):
        first, again = (initialise(MLP, seed, ["fc.weight"])["fc.weight"] for _ in range(2))
        assert first.tobytes() == again.tobytes()

    def test_seeds_differ(self):
        draws = {initialise(MLP, seed, ["fc.bias"])["fc.bias"].tobytes() for seed in range(50)}
        assert len(draws) == 50

    def test_tensors_of_one_shape_are_independent(self):
        arrays = initialise(RESNET, 0)
        a, b = arrays["blocks.1.conv1.weight"].ravel(), arrays["blocks.1.conv2.weight"].ravel()
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / math.sqrt(a.size)

    def test_values_are_pinned(self):
        # Published seeds must keep their meaning: a change here changes every experiment.
        got = initialise(MLP, 0, ["fc.weight"])["fc.weight"][0, :3]
        assert got == pytest.approx([-0.24355973, 0.021370703, -0.11947041], rel=1e-6)


class TestSubset:
    def test_a_head_drawn_alone_is_the_head_of_the_whole(self):
        whole = initialise(RESNET, 7)
        head = initialise(RESNET, 7, sorted(RESNET.head))
        assert head.keys() == RESNET.head
        for name, array in head.items():
            assert array.tobytes() == whole[name].tobytes()

    def test_a_head_does_not_depend_on_the_depth_of_the_body(self):
        deeper = initialise(architecture("cifar_resnet_32", [3, 32, 32], 10), 7)
        assert deeper["fc.weight"].tobytes() == initialise(RESNET, 7)["fc.weight"].tobytes()

    def test_an_unknown_name_is_a_key_error(self):
        with pytest.raises(KeyError):
            initialise(RESNET, 0, ["fc.scale"])


class TestPosted:
    @pytest.mark.parametrize(
        ("spec", "reason"),
        [
            (TensorSpec("position", (4,), Role.STATE), "position cannot be drawn: .* unknown purpose"),
            (TensorSpec("free.bias", (4,), Role.BIAS), r"free\.bias cannot be drawn: no weight"),
        ],
    )
    def test_a_tensor_without_a_rule_is_refused(self, spec, reason):
        posted = dataclasses.replace(MLP, tensors=(*MLP.tensors, spec))
        assert initialise(posted, 0, ["fc.bias"]).keys() == {"fc.bias"}
        with pytest.raises(ValueError, match=reason):
            initialise(posted, 0)
