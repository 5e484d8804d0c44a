from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.elastic.anatomy import Anatomy, Entry, Stage
from core.elastic.refusal import Reason, Refused
from core.elastic.transform import check_shapes, sources, transform
from core.elastic.unit_map import STRETCHES, Order, named_map, parse_map
from core.families import architecture
from core.families.initialisation import initialise


def filled(member: str, seed: int) -> dict[str, np.ndarray]:
    """Every tensor with bits of its own, also those that an initialisation leaves constant."""
    generator = np.random.default_rng(seed)
    specs = architecture(member, [1, 4, 4], 3).tensors
    return {
        spec.name: (
            generator.integers(0, 1 << 40, spec.shape)
            if spec.dtype == "I64"
            else generator.standard_normal(spec.shape).astype(np.float32)
        )
        for spec in specs
    }


def copied(arrays: dict[str, np.ndarray], module_of: dict[str, str]) -> dict[str, np.ndarray]:
    """Oracle: keep what is outside numbered modules; write each target module from its source's prefix."""
    result = {
        name: a.copy() for name, a in arrays.items() if not re.match(r"(blocks|fc_layers)\.\d+\.", name)
    }
    for target, source in module_of.items():
        for name, array in arrays.items():
            if name.startswith(source + "."):
                result[target + name[len(source) :]] = array.copy()
    return result


def assert_same_bits(got: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        assert got[name].dtype == array.dtype
        assert got[name].shape == array.shape
        assert got[name].tobytes() == array.tobytes(), name


class TestOnRealFamilies:
    @settings(max_examples=15, deadline=None)
    @given(st.data())
    def test_mlp_equals_the_oracle_bit_for_bit(self, data):
        n, m = data.draw(st.integers(2, 5)), data.draw(st.integers(1, 6))
        units = data.draw(st.lists(st.integers(1, n - 1), min_size=m - 1, max_size=m - 1))
        source, target = (architecture(f"mlp_{depth}", [1, 4, 4], 3) for depth in (n, m))
        arrays = filled(source.name, n * 10 + m)
        got = transform(arrays, source.anatomy, target.anatomy, ((0, *units, n),))
        layers = {"fc_layers.0": "fc_layers.0", f"fc_layers.{m}": f"fc_layers.{n}"}
        layers |= {f"fc_layers.{j}": f"fc_layers.{i}" for j, i in enumerate(units, start=1)}
        assert_same_bits(got, copied(arrays, layers))
        assert {name: array.shape for name, array in got.items()} == {s.name: s.shape for s in target.tensors}

    @settings(max_examples=30, deadline=None)
    @given(st.data())
    def test_resnet_equals_the_oracle_bit_for_bit(self, data):
        n, m = data.draw(st.integers(2, 4)), data.draw(st.integers(1, 5))
        rows = st.lists(st.integers(1, n - 1), min_size=m - 1, max_size=m - 1)
        unit_map = tuple((0, *data.draw(rows)) for _ in range(3))
        source, target = (architecture(f"cifar_resnet_{6 * k + 2}_4", [1, 4, 4], 3) for k in (n, m))
        arrays = filled(source.name, n * 10 + m)
        got = transform(arrays, source.anatomy, target.anatomy, unit_map)
        blocks = {
            f"blocks.{stage * m + j}": f"blocks.{stage * n + i}"
            for stage in range(3)
            for j, i in enumerate(unit_map[stage])
        }
        assert_same_bits(got, copied(arrays, blocks))
        assert {name: array.shape for name, array in got.items()} == {s.name: s.shape for s in target.tensors}

    def test_resnet_20_to_32_by_hand(self):
        source, target = (architecture(f"cifar_resnet_{depth}", [3, 32, 32], 10) for depth in (20, 32))
        names = sources(
            source.anatomy, target.anatomy, named_map(Order.APPEND, source.anatomy, target.anatomy)
        )
        blocks = [int(names[f"blocks.{i}.conv1.weight"].split(".")[1]) for i in range(15)]
        assert blocks == [0, 1, 2, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 7, 8]
        assert names["blocks.10.shortcut.1.running_var"] == "blocks.6.shortcut.1.running_var"

    def test_a_member_of_another_family_is_refused(self):
        mlp, resnet = architecture("mlp_2", [3, 8, 8], 10), architecture("cifar_resnet_14", [3, 8, 8], 10)
        with pytest.raises(Refused, match=r"hidden.*stage1, stage2, stage3") as refusal:
            transform({}, mlp.anatomy, resnet.anatomy, ((0, 1, 2),))
        assert refusal.value.reason is Reason.STAGES_DIFFER


class TestThereAndBack:
    """A stretch keeps every unit, so the map that picks one copy of each takes the ticket back."""

    @staticmethod
    def assert_inverse(n: int, m: int, there: Order, back: Order | None, replicate=None) -> None:
        """`back` None: the explicit map that picks the first copy of every unit."""
        small, large = (architecture(f"cifar_resnet_{6 * k + 8}_2", [1, 4, 4], 3) for k in (n, m))
        arrays = filled(small.name, n)
        stretched = named_map(there, small.anatomy, large.anatomy, replicate)
        squeezed = (
            tuple(tuple(origins.index(unit) for unit in range(n + 1)) for origins in stretched)
            if back is None
            else named_map(back, large.anatomy, small.anatomy)
        )
        wide = transform(arrays, small.anatomy, large.anatomy, stretched)
        assert_same_bits(transform(wide, large.anatomy, small.anatomy, squeezed), arrays)

    @settings(max_examples=10, deadline=None)
    @given(st.integers(1, 4), st.integers(1, 5))
    def test_drop_last_undoes_append(self, n, more):
        self.assert_inverse(n, n + more, Order.APPEND, Order.DROP_LAST)

    @settings(max_examples=10, deadline=None)
    @given(st.integers(1, 4), st.integers(1, 5), st.data())
    def test_drop_last_undoes_append_of_chosen_units(self, n, more, data):
        chosen = st.lists(st.integers(1, n), min_size=1, unique=True)
        replicate = {f"stage{s}": data.draw(chosen) for s in (1, 2, 3)}
        self.assert_inverse(n, n + more, Order.APPEND, Order.DROP_LAST, replicate)

    @settings(max_examples=10, deadline=None)
    @given(st.integers(1, 3), st.integers(2, 3))
    def test_drop_first_undoes_append_of_whole_rows(self, n, factor):
        self.assert_inverse(n, n * factor, Order.APPEND, Order.DROP_FIRST)

    @settings(max_examples=10, deadline=None)
    @given(st.integers(1, 3), st.integers(2, 3))
    def test_drop_even_undoes_interpolate_by_a_whole_factor(self, n, factor):
        self.assert_inverse(n, n * factor, Order.INTERPOLATE, Order.DROP_EVEN)

    @settings(max_examples=20, deadline=None)
    @given(st.integers(1, 4), st.integers(1, 5), st.sampled_from(STRETCHES))
    def test_the_explicit_inverse_undoes_either(self, n, more, there):
        self.assert_inverse(n, n + more, there, None)


class TestTransform:
    def test_values_are_the_very_objects(self, drawn):
        source, target = drawn("Fu"), drawn("Fuu")
        named = {name: object() for name in sources(source, source, ((0, 1),))}
        got = transform(named, source, target, ((0, 1, 1),))
        assert got["s0.1.weight"] is got["s0.2.weight"] is named["s0.1.weight"]
        assert got["stem"] is named["stem"]
        assert len(got) == len(named) + 2

    def test_a_part_of_the_names_stays_a_part(self, drawn):
        masks = {"s0.0.weight": "a", "s0.1.weight": "b"}
        got = transform(masks, drawn("Fu"), drawn("Fuu"), ((0, 1, 1),))
        assert got == {"s0.0.weight": "a", "s0.1.weight": "b", "s0.2.weight": "b"}

    def test_the_source_is_left_as_it_was(self, drawn):
        named = {"stem": 1, "s0.0.weight": 2, "s0.1.weight": 3}
        transform(named, drawn("Fu"), drawn("Fuu"), ((0, 1, 1),))
        assert named == {"stem": 1, "s0.0.weight": 2, "s0.1.weight": 3}

    def test_an_invalid_map_is_refused(self, drawn):
        with pytest.raises(Refused) as refusal:
            transform({}, drawn("Fu"), drawn("Fuu"), ((0, 0, 1),))
        assert refusal.value.reason is Reason.FIXED_REPLICATED

    def test_units_with_other_tensors_are_refused(self, drawn):
        plain = drawn("Fu")
        with_bias = Stage("s0", (plain.stages[0].entries[0], Entry({"weight": "w", "bias": "b"})))
        with pytest.raises(Refused, match=r"^stage s0, unit 1: .*bias, scale") as refusal:
            transform({}, plain, Anatomy((with_bias,), plain.fixed), ((0, 1),))
        assert refusal.value.reason is Reason.UNITS_DIFFER

    @pytest.mark.parametrize("fixed", [("stem",), ("stem", "head", "neck")])
    def test_other_fixed_tensors_are_refused(self, drawn, fixed):
        anatomy = drawn("Fu")
        with pytest.raises(Refused, match=r"head|neck") as refusal:
            transform({}, anatomy, Anatomy(anatomy.stages, fixed), ((0, 1),))
        assert refusal.value.reason is Reason.FIXED_DIFFER


class TestCheckShapes:
    def shapes(self, name: str, size: int, classes: int) -> dict[str, tuple[int, ...]]:
        return {spec.name: spec.shape for spec in architecture(name, [3, size, size], classes).tensors}

    def check(self, source: str, target: str, target_shapes, text: str, size: int = 8) -> None:
        a, b = (architecture(name, [3, size, size], 10).anatomy for name in (source, target))
        check_shapes(self.shapes(source, size, 10), target_shapes, a, b, parse_map(text, a, b))

    def test_members_of_one_width_fit(self):
        self.check("cifar_resnet_14", "cifar_resnet_20", self.shapes("cifar_resnet_20", 32, 10), "0:0;1:1,2")

    def test_the_fixed_tensor_is_named(self):
        with pytest.raises(Refused, match=r"^fc.weight has shape \[10, 64\].*\[7, 64\]") as refusal:
            self.check("cifar_resnet_14", "cifar_resnet_14", self.shapes("cifar_resnet_14", 8, 7), "0:0;1:1")
        assert (refusal.value.reason, refusal.value.stage) == (Reason.SHAPES_DIFFER, None)

    def test_what_is_left_out_is_not_compared(self):
        shapes = {k: v for k, v in self.shapes("cifar_resnet_14", 8, 7).items() if not k.startswith("fc.")}
        self.check("cifar_resnet_14", "cifar_resnet_14", shapes, "0:0;1:1")

    def test_stage_and_unit_are_named(self):
        shapes = self.shapes("cifar_resnet_20", 8, 10)
        shapes["blocks.5.conv2.weight"] = (32, 32, 1, 1)
        with pytest.raises(Refused, match=r"^stage stage2, unit 2: blocks.3.conv2.weight") as refusal:
            self.check("cifar_resnet_14", "cifar_resnet_20", shapes, "0:0;1:1,2")
        assert (refusal.value.stage, refusal.value.unit) == ("stage2", 2)

    def test_an_mlp_on_another_input_is_refused_at_its_first_layer(self):
        with pytest.raises(Refused, match=r"^stage hidden, unit 0: fc_layers.0.weight"):
            self.check("mlp_2", "mlp_3", self.shapes("mlp_3", 9, 10), "0:0;1:1,2;2:3")


class TestTicketArrays:
    def test_an_initialised_network_fits_its_stretched_member(self):
        source, target = (architecture(name, [1, 8, 8], 10) for name in ("mlp_2", "mlp_4"))
        unit_map = named_map(Order.INTERPOLATE, source.anatomy, target.anatomy)
        got = transform(initialise(source, 0), source.anatomy, target.anatomy, unit_map)
        assert {k: v.shape for k, v in got.items()} == {k: v.shape for k, v in initialise(target, 0).items()}
