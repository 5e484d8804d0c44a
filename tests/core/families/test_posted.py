"""Members of families that are given as data."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.elastic.transform import transform
from core.elastic.unit_map import Order, named_map
from core.families import UnknownArchitecture, architecture
from core.families.architecture import Role
from core.families.definition import Definition, read_definition
from core.families.posted import parse_name, posted_architecture, posted_member
from tests.core.families.definitions import Shapes, column, defined, plain_stage


def vit(depth: int) -> Shapes:
    """The tensors of a small vision transformer, as timm names them."""
    unit = {
        "norm1.weight": [8],
        "norm1.bias": [8],
        "attn.qkv.weight": [24, 8],
        "attn.qkv.bias": [24],
        "attn.proj.weight": [8, 8],
        "attn.proj.bias": [8],
        "norm2.weight": [8],
        "norm2.bias": [8],
        "mlp.fc1.weight": [32, 8],
        "mlp.fc1.bias": [32],
        "mlp.fc2.weight": [8, 32],
        "mlp.fc2.bias": [8],
    }
    stem = {"cls_token": [1, 1, 8], "pos_embed": [1, 5, 8], "patch_embed.proj.weight": [8, 3, 4, 4]}
    units = {f"blocks.{i}.{name}": shape for i in range(depth) for name, shape in unit.items()}
    return {**stem, **units, "norm.weight": [8], "norm.bias": [8], "head.weight": [10, 8], "head.bias": [10]}


def bert(depth: int) -> dict[str, Any]:
    """The tensors of a small BERT, as transformers names them; its position ids are integers."""
    linear = {"attention.self.query": [8, 8], "attention.output.dense": [8, 8], "intermediate.dense": [16, 8]}
    unit = {f"{name}.weight": shape for name, shape in linear.items()}
    unit |= {f"{name}.bias": shape[:1] for name, shape in linear.items()}
    unit |= {"output.dense.weight": [8, 16], "output.LayerNorm.weight": [8], "output.LayerNorm.bias": [8]}
    return {
        "embeddings.position_ids": {"shape": [1, 6], "dtype": "I64"},
        "embeddings.word_embeddings.weight": [30, 8],
        **{f"encoder.layer.{i}.{name}": shape for i in range(depth) for name, shape in unit.items()},
        "pooler.dense.weight": [8, 8],
    }


def vit_family(depth: int = 12, **changes: Any) -> Definition:
    given = {"input": [3, 8, 8], "classes": 10, "dense": ["*embed*"], "name": "vit"}
    stage = {"name": "blocks", "pattern": "blocks.{unit}."}
    return defined(vit(depth), **(given | {"stages": [stage]} | changes))


def random_state(shapes: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    state = {}
    for name, form in shapes.items():
        if isinstance(form, dict):
            state[name] = rng.integers(0, 100, form["shape"])
        else:
            state[name] = rng.normal(size=form).astype(np.float32)
    return state


def carried(state: dict[str, np.ndarray], prefix: str, units: list[int]) -> dict[str, np.ndarray]:
    """Oracle: what is outside the numbered modules, and module units[j] under the number j."""
    numbered = re.compile(re.escape(prefix) + r"(\d+)\.(.*)")
    result = {name: array for name, array in state.items() if not numbered.fullmatch(name)}
    for target, source in enumerate(units):
        for name, array in state.items():
            match = numbered.fullmatch(name)
            if match and int(match[1]) == source:
                result[f"{prefix}{target}.{match[2]}"] = array
    return result


class TestTransformers:
    @pytest.mark.parametrize(
        ("order", "depth", "units"),
        [
            (Order.APPEND, 24, [*range(12), *range(12)]),
            (Order.INTERPOLATE, 24, [i // 2 for i in range(24)]),
            (Order.DROP_LAST, 6, list(range(6))),
            (Order.DROP_FIRST, 6, list(range(6, 12))),
            (Order.DROP_EVEN, 6, [0, 2, 4, 6, 8, 10]),
        ],
    )
    @pytest.mark.parametrize(
        ("shapes_of", "prefix", "changes"),
        [
            (vit, "blocks.", {"dense": ["*embed*"], "input": [3, 8, 8], "classes": 10}),
            (bert, "encoder.layer.", {"dense": ["*embed*"]}),
        ],
    )
    def test_carried_by_an_anatomy_posted_as_data(self, shapes_of, prefix, changes, order, depth, units):
        stage = {"name": "blocks", "pattern": f"{prefix}{{unit}}."}
        family = defined(shapes_of(12), stages=[stage], **changes)
        source, target = (posted_architecture(family, [count]) for count in (12, depth))
        state = random_state(shapes_of(12), depth)
        got = transform(
            state, source.anatomy, target.anatomy, named_map(order, source.anatomy, target.anatomy)
        )
        expected = carried(state, prefix, units)
        assert got.keys() == expected.keys() == shapes_of(depth).keys()
        assert all(got[name].tobytes() == array.tobytes() for name, array in expected.items())
        assert {name: array.shape for name, array in got.items()} == {s.name: s.shape for s in target.tensors}


class TestMembers:
    @pytest.mark.parametrize("depth", [1, 6, 12, 30])
    def test_a_member_is_the_network_of_that_depth(self, depth):
        member = posted_member(vit_family(), f"vit:{depth}")
        assert {spec.name: list(spec.shape) for spec in member.tensors} == vit(depth)
        assert list(member.specs) == list(vit(depth))
        assert (member.name, member.family) == (f"vit:{depth}", "vit")
        assert (member.input, member.classes) == ((3, 8, 8), 10)

    def test_the_bare_name_is_the_example_whose_counts_are_spelled(self):
        assert posted_member(vit_family(), "vit") is posted_architecture(vit_family(), [12])
        assert posted_architecture(vit_family()).name == "vit:12"

    def test_without_stages_the_bare_name_is_canonical(self):
        assert posted_architecture(vit_family(stages=[])).name == "vit"

    def test_input_and_classes_may_mean_nothing(self):
        member = posted_architecture(defined(bert(2)))
        assert (member.input, member.classes) == ((0, 0, 0), 0)

    @settings(max_examples=40, deadline=None)
    @given(st.data())
    def test_a_resnet_given_as_data_equals_the_built_in_family(self, data):
        example, wanted = data.draw(st.integers(2, 4)), data.draw(st.integers(1, 5))
        network = architecture(f"cifar_resnet_{6 * example + 2}_4", [3, 8, 8], 10)
        stages = [
            {
                "name": f"stage{s + 1}",
                "pattern": "blocks.{unit}.",
                "fixed": [0],
                "units": [s * example, (s + 1) * example - 1],
            }
            for s in range(3)
        ]
        forms = {t.name: {"shape": list(t.shape), "dtype": t.dtype} for t in network.tensors}
        family = defined(forms, stages=stages, input=[3, 8, 8], classes=10)
        got = posted_architecture(family, [wanted] * 3)
        expected = architecture(f"cifar_resnet_{6 * wanted + 2}_4", [3, 8, 8], 10)
        assert [(t.name, t.shape, t.role) for t in got.tensors] == [
            (t.name, t.shape, t.role) for t in expected.tensors
        ]
        assert got.anatomy.stages == expected.anatomy.stages
        assert set(got.anatomy.fixed) == set(expected.anatomy.fixed)

    def test_a_fixed_tail_moves_with_the_depth(self):
        family = defined(column(8, 4, 4, 2), stages=[plain_stage(fixed=[0, -1])])
        member = posted_architecture(family, [6])
        assert [spec.shape[0] for spec in member.tensors] == [8, 4, 4, 4, 4, 2]
        assert [e.fixed for e in member.anatomy.stages[0].entries] == [True, *[False] * 4, True]
        assert [spec.shape[0] for spec in posted_architecture(family, [2]).tensors] == [8, 2]

    def test_numbers_may_start_anywhere(self):
        tensors = {"b.7.weight": [4, 4], "b.8.weight": [4, 4]}
        member = posted_architecture(defined(tensors, stages=[plain_stage()]), [3])
        assert [spec.name for spec in member.tensors] == ["b.7.weight", "b.8.weight", "b.9.weight"]

    def test_several_stages_take_a_count_each(self):
        tensors = {**column(4, 4), **{f"c.{i}.weight": [6, 6] for i in range(3)}, "fc.weight": [2, 6]}
        stages = [plain_stage(), {"name": "t", "pattern": "c.{unit}."}]
        member = posted_member(defined(tensors, stages=stages), "net:1-4")
        assert member.name == "net:1-4"
        assert [spec.name for spec in member.tensors] == [
            *["b.0.weight", "c.0.weight", "c.1.weight", "c.2.weight", "c.3.weight", "fc.weight"]
        ]

    def test_one_object_for_one_member(self):
        assert posted_architecture(vit_family(), [3]) is posted_architecture(vit_family(), (3,))

    def test_the_architecture_carries_its_definition(self):
        assert read_definition(posted_architecture(vit_family(), [3]).definition) == vit_family()


class TestRoles:
    def test_follow_names_types_and_neighbours(self):
        forms: dict[str, Any] = {
            "conv.weight": [4, 3, 3, 3],
            "conv.bias": [4],
            "down.1.weight": [4],
            "down.1.bias": [4],
            "down.1.running_mean": [4],
            "down.1.running_var": [4],
            "down.1.num_batches_tracked": {"shape": [], "dtype": "I64"},
            "block.norm2.weight": [4],
            "LayerNorm.bias": [4],
            "ln_f.weight": [4],
            "gamma": [4],
            "embed.weight": [9, 4],
            "embed.bias": [4],
            "scale.weight": [4],
            "norm.weight": [4, 4],
        }
        roles = {s.name: s.role for s in posted_architecture(defined(forms, dense=["embed*"])).tensors}
        assert roles == {
            "conv.weight": Role.WEIGHT,
            "conv.bias": Role.BIAS,
            "down.1.weight": Role.SCALE,
            "down.1.bias": Role.SHIFT,
            "down.1.running_mean": Role.MEAN,
            "down.1.running_var": Role.VARIANCE,
            "down.1.num_batches_tracked": Role.COUNT,
            "block.norm2.weight": Role.SCALE,
            "LayerNorm.bias": Role.SHIFT,
            "ln_f.weight": Role.SCALE,
            "gamma": Role.STATE,
            "embed.weight": Role.STATE,
            "embed.bias": Role.STATE,
            "scale.weight": Role.STATE,
            "norm.weight": Role.WEIGHT,
        }

    def test_integers_are_never_prunable(self):
        forms = {"a.weight": [2, 2], "table.weight": {"shape": [4, 4], "dtype": "I64"}}
        assert [spec.name for spec in posted_architecture(defined(forms)).prunable] == ["a.weight"]


class TestNames:
    @pytest.mark.parametrize(
        ("name", "parsed"),
        [
            ("vit", ("vit", None)),
            ("vit:24", ("vit", (24,))),
            ("vit:3-4-6-3", ("vit", (3, 4, 6, 3))),
            ("timm:vit_tiny.augreg:6", ("timm:vit_tiny.augreg", (6,))),
            ("timm:resnet18", ("timm:resnet18", None)),
        ],
    )
    def test_read(self, name, parsed):
        assert parse_name(name) == parsed

    @pytest.mark.parametrize(
        "name", ["", ":3", "vit:", "vit:0", "vit:03", "vit:-3", "vit:3-", "vit:٣", "vit:3\n", "a" * 65]
    )  # fmt: skip
    def test_not_read(self, name):
        assert parse_name(name) is None

    @pytest.mark.parametrize("name", ["bert:12", "vit:0", "vit:1-1", "\ud800"])
    def test_no_member(self, name):
        with pytest.raises(UnknownArchitecture):
            posted_member(vit_family(), name)


class TestCounts:
    @pytest.mark.parametrize(
        ("widths", "fixed", "count", "accepted"),
        [
            ((8, 4, 4, 2), [0, -1], 1, "2 to 20000, 2 of them fixed"),
            ((4, 4), [], 0, "1 to 20000, 0 of them fixed"),
            ((4, 4), [], 20_001, "1 to 20000"),
            ((8, 4), [0, 1], 3, "2 to 2, 2 of them fixed"),
        ],
    )
    def test_outside_what_the_stage_can_have(self, widths, fixed, count, accepted):
        family = defined(column(*widths), stages=[plain_stage(fixed=fixed)])
        with pytest.raises(
            UnknownArchitecture, match=f"stage s cannot have {count} entries; accepted: {accepted}"
        ):
            posted_architecture(family, [count])

    def test_a_network_too_large_is_refused_before_it_is_built(self):
        tensors = {"b.0.weight": [50_000, 1000], "b.1.weight": [50_000, 1000]}
        family = defined(tensors, stages=[plain_stage()])
        assert posted_architecture(family, [10]).prunable_weights == 500_000_000
        with pytest.raises(UnknownArchitecture, match="550000000 values; at most 500000000"):
            posted_architecture(family, [11])

    def test_as_many_tensors_as_a_ticket_file_holds(self):
        family = defined(column(4, 4), stages=[plain_stage()])
        assert len(posted_architecture(family, [10_000]).tensors) == 10_000
        with pytest.raises(UnknownArchitecture, match="20002 tensors in a ticket file; at most 20000"):
            posted_architecture(family, [10_001])

    def test_a_name_that_grows_too_long(self):
        stages = [plain_stage(name=f"s{i}", pattern=f"b{i}.{{unit}}.") for i in range(20)]
        tensors = {f"b{i}.0.weight": [2, 2] for i in range(20)}
        with pytest.raises(UnknownArchitecture, match="accepted: 64 characters"):
            posted_architecture(defined(tensors, stages=stages), [100] * 20)

    def test_a_member_without_anything_to_prune(self):
        family = defined({"x": [3], **column(4, 4)}, stages=[plain_stage()])
        assert posted_architecture(family, [1]).prunable_weights == 16
        bare = defined({"b.0.gain": [3], "b.1.weight": [4, 4]}, stages=[plain_stage(fixed=[0])])
        with pytest.raises(UnknownArchitecture, match="nothing to prune"):
            posted_architecture(bare, [1])

    def test_patterns_that_meet_at_some_counts(self):
        tensors = {"m.0.1.weight": [2, 2], "m.1.0.weight": [2, 2]}
        stages = [plain_stage(pattern="m.{unit}.1."), plain_stage(name="t", pattern="m.1.{unit}.")]
        family = defined(tensors, stages=stages)
        assert len(posted_architecture(family, [1, 1]).tensors) == 2
        with pytest.raises(UnknownArchitecture, match="name their tensors alike"):
            posted_architecture(family, [2, 2])
