from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.families import architecture, member
from core.families.architecture import Role

PARAMETERS = {Role.WEIGHT, Role.BIAS, Role.SCALE, Role.SHIFT}


def by_hand(depth: int, width: int, channels: int, classes: int) -> int:
    """Prunable weights, summed stage by stage from the paper's description."""
    n = (depth - 2) // 6
    total = 9 * channels * width
    for before, w in ((width, width), (width, 2 * width), (2 * width, 4 * width)):
        total += 9 * before * w + (2 * n - 1) * 9 * w * w
        total += before * w if before != w else 0
    return total + 4 * width * classes


class TestCounts:
    def test_resnet_20_on_cifar_10(self):
        resnet = architecture("cifar_resnet_20", [3, 32, 32], 10)
        assert sum(spec.size for spec in resnet.tensors if spec.role in PARAMETERS) == 272_474
        assert resnet.prunable_weights == 270_896

    @given(st.integers(1, 12), st.integers(1, 40), st.integers(1, 9), st.integers(1, 200))
    def test_prunable_weights(self, n, width, channels, classes):
        depth = 6 * n + 2
        resnet = architecture(f"cifar_resnet_{depth}_{width}", [channels, 7, 5], classes)
        assert resnet.prunable_weights == by_hand(depth, width, channels, classes)
        assert len(resnet.prunable) == depth + 2


class TestAnatomy:
    @pytest.mark.parametrize(
        ("name", "n"), [("cifar_resnet_8", 1), ("cifar_resnet_20", 3), ("cifar_resnet_56", 9)]
    )
    def test_the_first_block_of_each_stage_is_fixed(self, name, n):
        stages = architecture(name, [3, 32, 32], 10).anatomy.stages
        assert [stage.name for stage in stages] == ["stage1", "stage2", "stage3"]
        for s, stage in enumerate(stages):
            assert stage.fixed == (0,)
            assert stage.units == tuple(range(1, n))
            assert [entry.tensors["conv1.weight"] for entry in stage.entries] == [
                f"blocks.{s * n + i}.conv1.weight" for i in range(n)
            ]

    def test_units_of_a_stage_have_the_same_tensors_and_shapes(self):
        resnet = architecture("cifar_resnet_32", [3, 32, 32], 10)
        for stage in resnet.anatomy.stages:
            shapes = [
                {local: resnet.specs[name].shape for local, name in stage.entries[i].tensors.items()}
                for i in stage.units
            ]
            assert len(shapes) == 4
            assert all(shape == shapes[0] for shape in shapes)

    def test_projections_stand_where_the_shape_changes(self):
        names = [spec.name for spec in architecture("cifar_resnet_20", [3, 32, 32], 10).tensors]
        projections = [name for name in names if name.endswith("shortcut.0.weight")]
        assert projections == ["blocks.3.shortcut.0.weight", "blocks.6.shortcut.0.weight"]

    def test_every_tensor_stands_in_one_place(self):
        resnet = architecture("cifar_resnet_20", [3, 32, 32], 10)
        placed = list(resnet.anatomy.fixed) + [
            name for s in resnet.anatomy.stages for entry in s.entries for name in entry.tensors.values()
        ]
        assert sorted(placed) == sorted(resnet.specs)

    def test_stem_and_head(self):
        resnet = architecture("cifar_resnet_20", [3, 32, 32], 10)
        statistics = {f"bn.{local}" for local in ("running_mean", "running_var", "num_batches_tracked")}
        assert resnet.stem == {"conv.weight", "bn.weight", "bn.bias"} | statistics
        assert resnet.head == {"fc.weight", "fc.bias"}


class TestWithWidthOf:
    def test_the_depth_stays_and_the_width_is_the_others(self):
        assert (
            member("cifar_resnet_20").with_width_of(member("cifar_resnet_56_24")).name == "cifar_resnet_20_24"
        )
        assert member("cifar_resnet_20_24").with_width_of(member("cifar_resnet_8")).name == "cifar_resnet_20"
