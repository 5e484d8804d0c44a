"""What is read from names and shapes: for networks whose anatomy is known, and for those that have none."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.families import architecture
from core.families.definition import BadDefinition
from core.families.posted import posted_architecture
from core.families.proposal import propose


def forms(**shapes: tuple[int, ...]) -> dict[str, tuple[tuple[int, ...], str]]:
    return {name.replace("__", "."): (shape, "F32") for name, shape in shapes.items()}


def of(name: str, shape: list[int]) -> dict[str, tuple[tuple[int, ...], str]]:
    return {spec.name: (spec.shape, spec.dtype) for spec in architecture(name, shape, 10).tensors}


def block(name: str, *widths: int) -> dict[str, tuple[tuple[int, ...], str]]:
    """Numbered layers between these widths."""
    pairs = pairwise(widths)
    return {f"{name}.{i}.weight": ((b, a), "F32") for i, (a, b) in enumerate(pairs)}


def stages(tensors: Any) -> list[tuple[str, str, tuple[int, ...], tuple[int, int] | None]]:
    return [(s.name, s.pattern, s.fixed, s.units) for s in propose("net", tensors).stages]


class TestKnownNetworks:
    @pytest.mark.parametrize(
        ("name", "shape", "counts", "fixed"),
        [
            ("mlp_4", [1, 8, 8], "5", [(0, -1)]),
            ("mlp_2", [1, 8, 8], "3", [(0, -1)]),
            ("cifar_resnet_20", [3, 32, 32], "3-3-3", [(), (0,), (0,)]),
            ("cifar_resnet_14", [3, 32, 32], "2-2-2", [(), (0,), (0,)]),
            ("imagenet_resnet_18", [3, 224, 224], "2-2-2-2", [(), (0,), (0,), (0,)]),
            ("imagenet_resnet_50", [3, 224, 224], "3-4-6-3", [(0,)] * 4),
        ],
    )
    def test_the_stages_are_those_of_the_family(self, name, shape, counts, fixed):
        definition = propose("net", of(name, shape), input=shape, classes=10)
        assert [stage.fixed for stage in definition.stages] == fixed
        assert posted_architecture(definition).name == f"net:{counts}"

    @pytest.mark.parametrize(
        "name", ["mlp_3", "cifar_resnet_20", "imagenet_resnet_34", "cifar_mobilenetv1_5"]
    )
    def test_the_example_is_a_member_with_the_same_tensors_and_prunable_ones(self, name):
        network = architecture(name, [3, 64, 64], 10)
        member = posted_architecture(propose("net", of(name, [3, 64, 64])))
        assert [(t.name, t.shape, t.dtype, t.prunable) for t in member.tensors] == [
            (t.name, t.shape, t.dtype, t.prunable) for t in network.tensors
        ]

    def test_without_anything_that_repeats_there_are_no_stages(self):
        assert stages(of("mlp_1", [1, 8, 8])) == []
        assert stages(of("lenet5", [1, 32, 32])) == []


class TestNumberings:
    def test_the_outermost_one_wins(self):
        tensors = {f"blocks.{i}.heads.{j}.weight": ((4, 4), "F32") for i in range(3) for j in range(2)}
        assert stages(tensors) == [("blocks", "blocks.{unit}.", (), None)]

    def test_an_inner_one_where_the_outer_entries_differ(self):
        widths = {0: 4, 1: 8, 2: 16}
        tensors = {
            f"layers.{i}.blocks.{j}.weight": ((w, w), "F32") for i, w in widths.items() for j in range(2)
        }
        assert stages(tensors) == [
            (f"stage_{i}_blocks", f"layers.{i}.blocks.{{unit}}.", (), None) for i in range(3)
        ]

    def test_one_numbering_with_two_widths_becomes_two_stages(self):
        assert stages(block("b", 4, 4, 4, 8, 8, 8)) == [
            ("b_1", "b.{unit}.", (), (0, 1)),
            ("b_2", "b.{unit}.", (0,), (2, 4)),
        ]

    def test_what_differs_at_the_ends_is_fixed(self):
        assert stages(block("b", 9, 4, 4, 4, 2, 3)) == [("b", "b.{unit}.", (0, -2, -1), None)]

    def test_a_gap_is_no_numbering(self):
        assert stages(forms(b__0__weight=(4, 4), b__2__weight=(4, 4))) == []

    def test_a_leading_zero_is_no_number(self):
        assert stages(forms(b__00__weight=(4, 4), b__01__weight=(4, 4))) == []

    def test_units_may_be_the_whole_network(self):
        tensors = {f"{part}.{i}.weight": ((4, 4), "F32") for part in ("Enc", "dec") for i in range(2)}
        assert [name for name, *_ in stages(tensors)] == ["enc", "dec"]

    def test_a_lone_entry_repeats_where_it_gives_what_it_takes(self):
        assert stages(block("b", 9, 4, 4, 2)) == [("b", "b.{unit}.", (0, -1), None)]
        assert stages(block("b", 9, 4, 5, 2)) == []

    def test_a_lone_convolution_is_no_unit_beside_its_normalisation(self):
        tensors = forms(s__0__weight=(4, 4, 3, 3), s__1__weight=(4,), s__1__bias=(4,), fc__weight=(2, 4))
        assert stages(tensors) == []

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.integers(1, 3), min_size=2, max_size=12))
    def test_a_proposal_can_always_be_posted_and_is_its_own_example(self, widths):
        tensors = block("b", *widths) | {"head.weight": ((2, 3), "F32")}
        member = posted_architecture(propose("net", tensors))
        assert {spec.name: (spec.shape, spec.dtype) for spec in member.tensors} == tensors


class TestNumbering:
    def test_a_number_may_end_a_name_of_modules(self):
        tensors = {
            f"encoder.layers.encoder_layer_{i}.{part}.weight": ((8, 8), "F32")
            for i in range(3)
            for part in ("attention", "mlp")
        }
        assert stages(tensors) == [("layers", "encoder.layers.encoder_layer_{unit}.", (), None)]

    def test_equal_layers_within_a_block_are_no_units_of_their_own(self):
        tensors = {f"layer1.{i}.conv{j}.weight": ((4, 4, 3, 3), "F32") for i in range(2) for j in (1, 2)}
        assert stages(tensors) == [("layer1", "layer1.{unit}.", (), None)]

    def test_a_guess_outside_goes_before_a_guess_inside(self):
        inner = {"0.weight": (8, 4), "1.weight": (8, 1), "2.weight": (4, 8)}
        first = {"0.weight": (8, 3), "1.weight": (8, 1), "2.weight": (4, 8)}
        tensors = {
            f"features.{unit}.block.{name}": ((*shape, 1, 1), "F32")
            for unit, block in enumerate((first, inner))
            for name, shape in block.items()
        }
        assert stages(tensors) == [("features", "features.{unit}.", (0,), None)]


class TestPrunable:
    def test_embeddings_and_positions_stay_dense(self):
        tensors = forms(
            word_embeddings__weight=(30, 8),
            relative_position__weight=(4, 8),
            wpe__weight=(4, 8),
            fc__weight=(8, 8),
        )
        definition = propose("net", tensors)
        assert definition.dense == ("*embedding*", "*position*", "*wpe*")
        assert [spec.name for spec in posted_architecture(definition).prunable] == ["fc.weight"]

    def test_tables_that_are_shared_or_relative_stay_dense_and_patches_are_a_convolution(self):
        tensors = forms(
            shared__weight=(30, 8),
            layer__relative_attention_bias__weight=(4, 2),
            patch_embed__proj__weight=(8, 3, 2, 2),
        )
        prunable = posted_architecture(propose("net", tensors)).prunable
        assert [spec.name for spec in prunable] == ["patch_embed.proj.weight"]

    def test_unless_nothing_else_is_left(self):
        member = posted_architecture(propose("net", forms(embed__weight=(30, 8))))
        assert [spec.name for spec in member.prunable] == ["embed.weight"]

    def test_weights_of_other_names_are_found(self):
        tensors = forms(
            attn__in_proj_weight=(24, 8),
            attn__in_proj_bias=(24,),
            rnn__weight_ih_l0=(8, 8),
            pos_embed=(1, 5, 8),
        )
        assert [spec.name for spec in posted_architecture(propose("net", tensors)).prunable] == [
            *["attn.in_proj_weight", "rnn.weight_ih_l0"]
        ]

    def test_nothing_to_prune_is_refused(self):
        with pytest.raises(BadDefinition, match="no tensor is prunable"):
            propose("net", forms(norm__weight=(8,), pos_embed=(1, 5, 8)))


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "tensors", "where"),
        [
            ("mlp_2", forms(a__weight=(2, 2)), "/name"),
            ("net", {"a/b": ((2, 2), "F32")}, "/tensors/0/name"),
            ("net", {"a.weight": ((2, 0), "F32")}, "/tensors/0/shape/1"),
            ("net", {"a.weight": ((2, 2), "BF16")}, "/tensors/0/dtype"),
            ("net", {}, "/tensors"),
        ],
    )
    def test_what_no_network_has(self, name, tensors, where):
        with pytest.raises(BadDefinition) as refusal:
            propose(name, tensors)
        assert refusal.value.where == where
