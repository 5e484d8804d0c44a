from __future__ import annotations

import pytest

from core.families import UnknownArchitecture, architecture


class TestTensors:
    def test_published_parameters_are_its_weights_and_the_biases_it_does_without(self):
        lenet = architecture("lenet5", [1, 28, 28], 10)
        biases = sum(spec.shape[0] for spec in lenet.tensors)
        assert (lenet.prunable_weights, biases) == (61_470, 236)

    def test_fully_connected_layers_are_convolutions(self):
        lenet = architecture("lenet5", [3, 32, 32], 7)
        assert {spec.name: spec.shape for spec in lenet.tensors} == {
            "conv1.weight": (6, 3, 5, 5),
            "conv2.weight": (16, 6, 5, 5),
            "conv3.weight": (120, 16, 5, 5),
            "fc1.weight": (84, 120, 1, 1),
            "fc2.weight": (7, 84, 1, 1),
        }

    def test_there_are_no_stages(self):
        lenet = architecture("lenet5", [1, 28, 28], 10)
        assert lenet.anatomy.stages == ()
        assert (lenet.stem, lenet.head) == ({"conv1.weight"}, {"fc2.weight"})


class TestSizes:
    @pytest.mark.parametrize("shape", [[1, 33, 32], [1, 32, 33], [3, 224, 224]])
    def test_images_larger_than_32_are_refused(self, shape):
        with pytest.raises(UnknownArchitecture, match=r"lenet5 on .* H and W up to 32"):
            architecture("lenet5", shape, 10)
