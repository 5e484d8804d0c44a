from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.families import architecture
from core.tickets.dead import dead_neurons

LAYERS = {
    "mlp_3_20_10": ((1, 4, 4), ["fc_layers.0", "fc_layers.1", "fc_layers.2", "fc_layers.3", "fc"]),
    "cifar_vgg_11_2_fc3": ((3, 32, 32), ["classifier.0", "classifier.2", "fc"]),
    "cifar_vgg_11_2_fc2": ((3, 32, 32), ["classifier.0", "fc"]),
}


class TestDeadNeurons:
    @settings(max_examples=60, deadline=None)
    @given(
        st.sampled_from(sorted(LAYERS)), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.1, 0.5, 1])
    )
    def test_they_are_those_that_a_look_at_every_neuron_finds(
        self, name: str, seed: int, density: float
    ) -> None:
        shape, layers = LAYERS[name]
        network, generator = architecture(name, shape, 10), np.random.default_rng(seed)
        masks = {spec.name: generator.random(spec.shape) < density for spec in network.prunable}
        expected = 0
        for here, after in pairwise(layers):
            into, out_of = masks[f"{here}.weight"].tolist(), masks[f"{after}.weight"].tolist()
            for neuron in range(len(into)):
                enters = any(into[neuron])
                leaves = any(row[neuron] for row in out_of)
                expected += not (enters and leaves)
        assert dead_neurons(network, masks) == expected

    @pytest.mark.parametrize("name", ["cifar_vgg_13_8", "cifar_resnet_14"])
    def test_a_network_with_one_fully_connected_layer_has_no_hidden_neurons(self, name: str) -> None:
        network = architecture(name, (3, 32, 32), 10)
        masks = {spec.name: np.zeros(spec.shape, np.bool_) for spec in network.prunable}
        assert dead_neurons(network, masks) is None
