from __future__ import annotations

import pytest

from core.families import architecture, member


class TestTensors:
    def test_a_repeated_block_adds_its_two_convolutions(self):
        five, six = (architecture(f"cifar_mobilenetv1_{n}", [3, 32, 32], 10) for n in (5, 6))
        assert six.prunable_weights - five.prunable_weights == 512 * 9 + 512 * 512

    def test_depthwise_convolutions_have_one_input_each(self):
        mobilenet = architecture("cifar_mobilenetv1_1", [3, 32, 32], 10)
        shapes = [spec.shape for spec in mobilenet.tensors if spec.name.endswith(".conv1.weight")]
        assert shapes == [(c, 1, 3, 3) for c in (32, 64, 128, 128, 256, 256, 512, 512, 1024)]


class TestAnatomy:
    @pytest.mark.parametrize("n", [1, 5, 9])
    def test_the_repeated_blocks_are_units_and_all_else_is_fixed(self, n):
        mobilenet = architecture(f"cifar_mobilenetv1_{n}", [3, 32, 32], 10)
        (stage,) = mobilenet.anatomy.stages
        assert stage.name == "part2"
        assert stage.units == tuple(range(n))
        assert [e.tensors["conv2.weight"] for e in stage.entries] == [
            f"layers_part2.{i}.conv2.weight" for i in range(n)
        ]
        assert list(mobilenet.anatomy.fixed) == [
            name for name in mobilenet.specs if not name.startswith("layers_part2.")
        ]

    def test_stem_and_head(self):
        mobilenet = architecture("cifar_mobilenetv1", [3, 32, 32], 10)
        assert mobilenet.stem == {name for name in mobilenet.specs if name.startswith(("conv.", "bn."))}
        assert mobilenet.head == {"fc.weight", "fc.bias"}


class TestWithWidthOf:
    def test_there_is_one_width(self):
        assert member("cifar_mobilenetv1_3").with_width_of(member("cifar_mobilenetv1_8")).name == (
            "cifar_mobilenetv1_3"
        )
