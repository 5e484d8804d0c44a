from __future__ import annotations

import pytest

from core.families import UnknownArchitecture, architecture, member

ENTRIES = {
    "cifar_vgg_11": [[0], [2], [4, 5], [7, 8], [10, 11]],
    "cifar_vgg_13": [[0, 1], [3, 4], [6, 7], [9, 10], [12, 13]],
    "cifar_vgg_16": [[0, 1], [3, 4], [6, 7, 8], [10, 11, 12], [14, 15, 16]],
    "cifar_vgg_19": [[0, 1], [3, 4], [6, 7, 8, 9], [11, 12, 13, 14], [16, 17, 18, 19]],
}


class TestAnatomy:
    @pytest.mark.parametrize(("name", "indices"), ENTRIES.items())
    def test_pools_take_an_index_between_the_stages(self, name, indices):
        *stages, classifier = architecture(name, [3, 32, 32], 10).anatomy.stages
        assert [stage.name for stage in stages] == ["stage1", "stage2", "stage3", "stage4", "stage5"]
        for stage, expected in zip(stages, indices, strict=True):
            assert stage.fixed == (0,)
            assert [e.tensors["conv.weight"] for e in stage.entries] == [
                f"layers.{i}.conv.weight" for i in expected
            ]
        assert (classifier.name, classifier.entries) == ("classifier", ())

    @pytest.mark.parametrize("k", [2, 3, 7])
    def test_the_linear_layers_before_the_last_are_units(self, k):
        vgg = architecture(f"cifar_vgg_11_fc{k}", [3, 32, 32], 10)
        classifier = vgg.anatomy.stages[-1]
        assert classifier.units == tuple(range(k - 1))
        assert [e.tensors for e in classifier.entries] == [
            {"weight": f"classifier.{2 * i}.weight", "bias": f"classifier.{2 * i}.bias"} for i in range(k - 1)
        ]
        assert vgg.anatomy.fixed == ("fc.weight", "fc.bias")

    def test_stem_and_head(self):
        vgg = architecture("cifar_vgg_11_fc2", [3, 32, 32], 10)
        assert vgg.stem == {name for name in vgg.specs if name.startswith("layers.0.")}
        assert vgg.head == {"fc.weight", "fc.bias"}


class TestSizes:
    @pytest.mark.parametrize("shape", [[3, 32, 31], [3, 28, 32], [3, 64, 64]])
    def test_other_images_than_32_by_32_are_refused(self, shape):
        with pytest.raises(UnknownArchitecture, match=r"cifar_vgg_16 on .* must be \[C, 32, 32\]"):
            architecture("cifar_vgg_16", shape, 10)

    def test_linear_layers_add_their_weights_and_biases(self):
        one, four = (architecture(name, [3, 32, 32], 10) for name in ("cifar_vgg_13", "cifar_vgg_13_fc4"))
        assert four.prunable_weights - one.prunable_weights == 3 * 512 * 512
        assert len(four.tensors) - len(one.tensors) == 6


class TestWithWidthOf:
    def test_depth_and_linear_layers_stay(self):
        assert member("cifar_vgg_13_fc3").with_width_of(member("cifar_vgg_19_8")).name == "cifar_vgg_13_8_fc3"
        assert member("cifar_vgg_13_8").with_width_of(member("cifar_vgg_19_fc2")).name == "cifar_vgg_13"
