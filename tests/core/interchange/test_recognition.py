"""Which network a foreign file holds."""

from __future__ import annotations

import numpy as np
import pytest

from core.families import architecture
from core.interchange.foreign import Foreign
from core.interchange.recognition import recognised, under_our_names


def zeros(name: str, prefix: str = "") -> Foreign:
    network = architecture(name, (3, 32, 32), 10)
    weights = {
        f"{prefix}{spec.name}": np.zeros(spec.shape, np.int64 if spec.dtype == "I64" else np.float32)
        for spec in network.tensors
    }
    masks = {f"{prefix}{spec.name}": np.ones(spec.shape, bool) for spec in network.prunable}
    return Foreign(weights, masks, initial=dict(weights))


NAMES = ["mlp_2", "cifar_resnet_8_4", "cifar_vgg_11_4_fc3", "cifarhe_resnet_18_4", "imagenet_resnet_18_4"]


class TestRecognised:
    @pytest.mark.parametrize("name", NAMES)
    def test_by_names_and_shapes(self, name: str) -> None:
        found = recognised(zeros(name), (3, 32, 32))
        assert found is not None
        assert (found.name, found.input, found.classes) == (name, (3, 32, 32), 10)

    def test_a_tensor_too_many(self) -> None:
        foreign = zeros("cifar_resnet_8_4")
        foreign.weights["extra.weight"] = np.zeros((2, 2), np.float32)
        assert recognised(foreign) is None


class TestUnderOurNames:
    @pytest.mark.parametrize("prefix", ["", "model.", "backbone.net.", "fc."])
    @pytest.mark.parametrize("name", NAMES)
    def test_what_wraps_a_built_in_network_is_taken_off(self, name: str, prefix: str) -> None:
        found, expected = under_our_names(zeros(name, prefix)), zeros(name)
        assert list(found.weights) == list(expected.weights)
        assert list(found.masks or {}) == list(expected.masks or {})
        assert list(found.initial or {}) == list(expected.initial or {})

    def test_other_networks_keep_their_names(self) -> None:
        foreign = Foreign({"body.a.weight": np.zeros((2, 2), np.float32)}, None)
        assert under_our_names(foreign) is foreign

    def test_nothing_is_nothing(self) -> None:
        assert under_our_names(Foreign({}, None)).weights == {}
