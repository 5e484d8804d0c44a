from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.families import UnknownArchitecture, architecture, member, recognise


class TestCounts:
    @pytest.mark.parametrize(
        ("name", "weights", "biases"),
        [
            ("mlp_1", 784 * 300 + 300 * 100 + 100 * 10, 300 + 100 + 10),
            ("mlp_2", 784 * 300 + 300 * 300 + 300 * 100 + 100 * 10, 300 + 300 + 100 + 10),
            ("mlp_4", 784 * 300 + 3 * 300 * 300 + 300 * 100 + 100 * 10, 4 * 300 + 100 + 10),
            ("mlp_2_50", 784 * 50 + 50 * 50 + 50 * 100 + 100 * 10, 50 + 50 + 100 + 10),
            ("mlp_2_50_7", 784 * 50 + 50 * 50 + 50 * 7 + 7 * 10, 50 + 50 + 7 + 10),
        ],
    )
    def test_on_mnist(self, name, weights, biases):
        mlp = architecture(name, [1, 28, 28], 10)
        assert mlp.prunable_weights == weights
        assert sum(spec.size for spec in mlp.tensors) == weights + biases

    def test_lenet_300_100_has_266_200_weights(self):
        assert architecture("lenet_300_100", [1, 28, 28], 10).prunable_weights == 266_200


class TestNames:
    @given(st.integers(1, 9), st.integers(1, 400), st.integers(1, 200))
    def test_a_lenet_of_equal_widths_is_an_mlp(self, depth, width, last):
        lenet = "_".join(["lenet", *[str(width)] * depth, str(last)])
        assert member(lenet) == member(f"mlp_{depth}_{width}_{last}")

    @pytest.mark.parametrize(
        ("name", "canonical"),
        [
            ("lenet_300_100", "mlp_1"),
            ("lenet_500_500_100", "mlp_2_500"),
            ("lenet_300_300_50", "mlp_2_300_50"),
            ("mlp_3_300", "mlp_3"),
            ("mlp_3_300_100", "mlp_3"),
            ("mlp_3_100", "mlp_3_100"),
            ("mlp_3_100_100", "mlp_3_100"),
        ],
    )
    def test_default_widths_are_not_spelled_out(self, name, canonical):
        assert member(name).name == canonical

    def test_a_lenet_of_different_widths_is_refused(self):
        with pytest.raises(UnknownArchitecture, match=r"lenet_300_200_100: .* one W for all hidden layers"):
            member("lenet_300_200_100")


class TestAnatomy:
    @given(st.integers(1, 20))
    def test_the_first_and_the_last_hidden_layer_are_fixed(self, depth):
        (stage,) = architecture(f"mlp_{depth}", [1, 8, 8], 10).anatomy.stages
        assert stage.name == "hidden"
        assert stage.fixed == (0, depth)
        assert stage.units == tuple(range(1, depth))
        assert stage.entries[depth].tensors == {
            "weight": f"fc_layers.{depth}.weight",
            "bias": f"fc_layers.{depth}.bias",
        }

    def test_stem_and_head(self):
        mlp = architecture("mlp_3", [1, 8, 8], 10)
        assert mlp.stem == {"fc_layers.0.weight", "fc_layers.0.bias"}
        assert mlp.head == {"fc.weight", "fc.bias"}
        assert mlp.anatomy.fixed == ("fc.weight", "fc.bias")


class TestWithWidthOf:
    def test_both_widths_are_the_others(self):
        assert member("mlp_3").with_width_of(member("mlp_7_20_9")).name == "mlp_3_20_9"


class TestRecognise:
    @pytest.mark.parametrize(
        ("pixels", "usual"),
        [
            (784, (1, 28, 28)),
            (64, (1, 8, 8)),
            (3072, (3, 32, 32)),
            (49, (1, 1, 49)),
        ],
    )
    def test_the_input_is_that_of_a_usual_dataset(self, pixels, usual):
        shapes = {spec.name: spec.shape for spec in architecture("mlp_2_9", (1, 1, pixels), 5).tensors}
        assert recognise(shapes) is architecture("mlp_2_9", usual, 5)
