from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.families import architecture


class TestCounts:
    @pytest.mark.parametrize(
        ("name", "weights", "biases"),
        [
            ("mlp_1", 784 * 300 + 300 * 100 + 100 * 10, 300 + 100 + 10),
            ("mlp_2", 784 * 300 + 300 * 300 + 300 * 100 + 100 * 10, 300 + 300 + 100 + 10),
            ("mlp_4", 784 * 300 + 3 * 300 * 300 + 300 * 100 + 100 * 10, 4 * 300 + 100 + 10),
        ],
    )
    def test_on_mnist(self, name, weights, biases):
        mlp = architecture(name, [1, 28, 28], 10)
        assert mlp.prunable_weights == weights
        assert sum(spec.size for spec in mlp.tensors) == weights + biases

    def test_lenet_300_100_has_266_200_weights(self):
        assert architecture("lenet_300_100", [1, 28, 28], 10).prunable_weights == 266_200


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
