"""Random unit maps on every family, beside an oracle that only knows how the modules of each are called."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.elastic.transform import transform
from core.elastic.unit_map import format_map, parse_map
from core.families import architecture

Modules = list[list[str]]
"""Per stage, the module of each entry."""


def mlp(depth: int) -> Modules:
    return [[f"fc_layers.{i}" for i in range(depth + 1)]]


def cifar_resnet(depth: int) -> Modules:
    n = (depth - 2) // 6
    return [[f"blocks.{stage * n + i}" for i in range(n)] for stage in range(3)]


def vgg(depth: int, linear: int) -> Modules:
    modules, index = [], 0
    for length in {11: "11222", 13: "22222", 16: "22333", 19: "22444"}[depth]:
        modules.append([f"layers.{index + i}" for i in range(int(length))])
        index += int(length) + 1  # a pool
    return [*modules, [f"classifier.{2 * i}" for i in range(linear - 1)]]


def mobilenet(blocks: int) -> Modules:
    return [[f"layers_part2.{i}" for i in range(blocks)]]


def torchvision_resnet(depth: int) -> Modules:
    lengths = {18: "2222", 26: "2343", 34: "3463", 50: "3463"}[depth]
    return [[f"layer{s}.{i}" for i in range(int(n))] for s, n in enumerate(lengths, 1)]


PAIRS = {
    "mlp": ("mlp_3_6_5", mlp(3), "mlp_5_6_5", mlp(5)),
    "mlp squeezed": ("mlp_5_6_5", mlp(5), "mlp_2_6_5", mlp(2)),
    "cifar_resnet": ("cifar_resnet_14_2", cifar_resnet(14), "cifar_resnet_26_2", cifar_resnet(26)),
    "cifar_resnet squeezed": ("cifar_resnet_26_2", cifar_resnet(26), "cifar_resnet_8_2", cifar_resnet(8)),
    "vgg": ("cifar_vgg_13_2", vgg(13, 1), "cifar_vgg_19_2", vgg(19, 1)),
    "vgg squeezed, fc stretched": ("cifar_vgg_16_2_fc2", vgg(16, 2), "cifar_vgg_13_2_fc5", vgg(13, 5)),
    "vgg, fc dropped": ("cifar_vgg_13_2_fc3", vgg(13, 3), "cifar_vgg_13_2", vgg(13, 1)),
    "mobilenet": ("cifar_mobilenetv1_2", mobilenet(2), "cifar_mobilenetv1_3", mobilenet(3)),
    "imagenet": (
        "imagenet_resnet_18_2", torchvision_resnet(18), "imagenet_resnet_34_2", torchvision_resnet(34)
    ),
    "imagenet squeezed": (
        "imagenet_resnet_34_2", torchvision_resnet(34), "imagenet_resnet_26_2", torchvision_resnet(26)
    ),
    "bottlenecks": (
        "imagenet_resnet_50_2", torchvision_resnet(50), "imagenet_resnet_50_2", torchvision_resnet(50)
    ),
    "cifarhe": ("cifarhe_resnet_26_2", torchvision_resnet(26), "cifarhe_resnet_18_2", torchvision_resnet(18)),
}  # fmt: skip


def is_fixed(module: str, position: int, entries: int) -> bool:
    if module.startswith("fc_layers"):
        return position in (0, entries - 1)
    return position == 0 and not module.startswith(("classifier", "layers_part2"))


def filled(name: str) -> dict[str, np.ndarray]:
    """The tensors of a network, no two values alike."""
    numbers = np.random.default_rng(3)
    return {
        spec.name: numbers.standard_normal(spec.shape) for spec in architecture(name, (3, 32, 32), 3).tensors
    }


@st.composite
def unit_maps(draw: st.DrawFn, old: Modules, new: Modules) -> list[list[int]]:
    """Any source unit for every target unit; fixed entries for their counterparts."""
    stages = []
    for before, after in zip(old, new, strict=True):
        free = [i for i, module in enumerate(before) if not is_fixed(module, i, len(before))]
        stages.append(
            [
                (0 if i == 0 else len(before) - 1)
                if is_fixed(module, i, len(after))
                else draw(st.sampled_from(free))
                for i, module in enumerate(after)
            ]
        )
    return stages


class TestEveryFamily:
    @pytest.mark.parametrize("case", PAIRS)
    @settings(max_examples=12, deadline=None)
    @given(data=st.data())
    def test_random_maps_equal_the_oracle(self, case: str, data: st.DataObject) -> None:
        source, old, target, new = PAIRS[case]
        rows = data.draw(unit_maps(old, new))
        before, after = (architecture(name, (3, 32, 32), 3) for name in (source, target))
        unit_map = tuple(tuple(row) for row in rows)
        arrays = filled(source)
        made = transform(arrays, before.anatomy, after.anatomy, unit_map)
        expected = {
            name: values
            for name, values in arrays.items()
            if not any(name.startswith(f"{module}.") for stage in old for module in stage)
        }
        for row, modules, sources in zip(rows, new, old, strict=True):
            for origin, module in zip(row, modules, strict=True):
                prefix = f"{sources[origin]}."
                for name, values in arrays.items():
                    if name.startswith(prefix):
                        expected[f"{module}.{name.removeprefix(prefix)}"] = values
        assert made.keys() == expected.keys()
        assert all(np.array_equal(made[name], values) for name, values in expected.items())
        assert {name: values.shape for name, values in made.items()} == {
            spec.name: spec.shape for spec in after.tensors
        }
        assert parse_map(format_map(unit_map), before.anatomy, after.anatomy) == unit_map
