from __future__ import annotations

import pytest

from core.families import architecture, member

LAYOUTS = {
    "imagenet_resnet_18": (2, 2, 2, 2),
    "imagenet_resnet_26": (2, 3, 4, 3),
    "imagenet_resnet_34": (3, 4, 6, 3),
    "imagenet_resnet_50": (3, 4, 6, 3),
    "imagenet_resnet_101": (3, 4, 23, 3),
    "imagenet_resnet_152": (3, 8, 36, 3),
    "cifarhe_resnet_18": (2, 2, 2, 2),
    "cifarhe_resnet_26": (2, 3, 4, 3),
    "cifarhe_resnet_34": (3, 4, 6, 3),
    "cifarhe_resnet_50": (3, 4, 6, 3),
}


class TestAnatomy:
    @pytest.mark.parametrize(("name", "counts"), LAYOUTS.items())
    def test_the_first_block_of_each_stage_is_fixed(self, name, counts):
        resnet = architecture(name, [3, 32, 32], 10)
        assert [stage.name for stage in resnet.anatomy.stages] == ["layer1", "layer2", "layer3", "layer4"]
        for stage, count in zip(resnet.anatomy.stages, counts, strict=True):
            assert stage.fixed == (0,)
            assert [e.tensors["conv2.weight"] for e in stage.entries] == [
                f"{stage.name}.{i}.conv2.weight" for i in range(count)
            ]

    @pytest.mark.parametrize(("name", "counts"), LAYOUTS.items())
    def test_the_name_counts_the_layers(self, name, counts):
        prunable = architecture(name, [3, 32, 32], 10).prunable
        layers = [spec for spec in prunable if "downsample" not in spec.name]
        assert len(layers) == int(name.rsplit("_", 1)[1])

    @pytest.mark.parametrize(
        ("name", "stages"), [("imagenet_resnet_34", (2, 3, 4)), ("imagenet_resnet_50", (1, 2, 3, 4))]
    )
    def test_projections_stand_where_the_shape_changes(self, name, stages):
        names = architecture(name, [3, 32, 32], 10).specs
        assert [n for n in names if n.endswith("downsample.0.weight")] == [
            f"layer{s}.0.downsample.0.weight" for s in stages
        ]

    def test_stem_and_head(self):
        resnet = architecture("cifarhe_resnet_18", [3, 32, 32], 10)
        assert resnet.stem == {name for name in resnet.specs if name.startswith(("conv1.", "bn1."))}
        assert resnet.head == {"fc.weight", "fc.bias"}


class TestTensors:
    @pytest.mark.parametrize(("family", "kernel"), [("imagenet_resnet", 7), ("cifarhe_resnet", 3)])
    def test_the_families_differ_in_the_stem(self, family, kernel):
        resnet = architecture(f"{family}_34", [3, 32, 32], 10)
        other = architecture("imagenet_resnet_34", [3, 32, 32], 10)
        assert resnet.specs["conv1.weight"].shape == (64, 3, kernel, kernel)
        assert resnet.tensors[1:] == other.tensors[1:]

    def test_a_bottleneck_widens_four_times(self):
        specs = architecture("imagenet_resnet_50_16", [3, 32, 32], 10).specs
        assert [specs[f"layer2.0.conv{k}.weight"].shape for k in (1, 2, 3)] == [
            (32, 64, 1, 1),
            (32, 32, 3, 3),
            (128, 32, 1, 1),
        ]
        assert specs["fc.weight"].shape == (10, 512)


class TestWithWidthOf:
    def test_the_depth_stays_and_the_width_is_the_others(self):
        assert member("imagenet_resnet_50").with_width_of(member("imagenet_resnet_18_8")).name == (
            "imagenet_resnet_50_8"
        )
