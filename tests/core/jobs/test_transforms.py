from typing import Any

import numpy as np
import pytest

from core.elastic.refusal import Reason, Refused
from core.families import UnknownArchitecture, architecture
from core.families.definition import Definition
from core.families.initialisation import initialise
from core.families.posted import posted_architecture, posted_member
from core.jobs.specs import TransformSpec
from core.jobs.transforms import Plan, carry, plan
from core.pruning.random import random_mask
from core.tickets import Ticket, ticket_id

TICKET = "ab" * 32


def planned(source: str, target: str, classes: int = 10, **options: object) -> Plan:
    spec = TransformSpec.model_validate({"tickets": [TICKET], "architecture": target, **options})
    return plan(spec, architecture(source, (1, 8, 8), classes), architecture)


class TestOrder:
    @pytest.mark.parametrize(
        ("source", "target", "expected"),
        [
            ("mlp_3", "mlp_6", ((0, 1, 2, 1, 2, 1, 3),)),
            ("mlp_4", "mlp_2", ((0, 1, 4),)),
            ("mlp_3", "mlp_3", ((0, 1, 2, 3),)),
        ],
    )
    def test_by_default_stretches_append_and_squeezes_drop_last(
        self, source: str, target: str, expected: tuple[tuple[int, ...], ...]
    ) -> None:
        assert planned(source, target).unit_map == expected

    def test_an_explicit_map_is_taken_as_written(self) -> None:
        assert planned("mlp_3", "mlp_4", unit_map="0:0;2:1,2;1:3;3:4").unit_map == ((0, 2, 2, 1, 3),)


class TestOrderByStage:
    def test_each_stage_has_its_own(self) -> None:
        made = planned(
            "cifar_resnet_20", "cifar_resnet_32", order={"stage1": "interpolate", "stage3": "append"}
        )
        append, interpolate = (0, 1, 2, 1, 2), (0, 1, 1, 2, 2)
        assert made.unit_map == (interpolate, append, append)

    def test_only_the_chosen_units_are_replicated(self) -> None:
        made = planned("cifar_resnet_20", "cifar_resnet_32", replicate={"stage2": [2]})
        assert made.unit_map == ((0, 1, 2, 1, 2), (0, 1, 2, 2, 2), (0, 1, 2, 1, 2))

    def test_stages_of_different_lengths(self) -> None:
        made = planned("cifarhe_resnet_18", "cifarhe_resnet_34")
        assert [len(stage) for stage in made.unit_map] == [3, 4, 6, 3]


class TestVia:
    def test_the_maps_are_composed(self) -> None:
        passed = [{"architecture": "mlp_6", "order": "interpolate"}]
        # 1 2 3 → 1 1 2 2 3 → its last three; 1 2 → 1 1 1 2 2 → its last.
        assert planned("mlp_4", "mlp_4", via=passed, order="drop_first").unit_map == ((0, 2, 2, 3, 4),)
        assert planned("mlp_3", "mlp_2", via=passed, order="drop_first").unit_map == ((0, 2, 3),)

    def test_a_member_of_another_width_on_the_way_is_refused(self) -> None:
        with pytest.raises(Refused) as refused:
            planned("mlp_3", "mlp_2", via=[{"architecture": "mlp_3_200"}])
        assert refused.value.reason is Reason.SHAPES_DIFFER


class TestWidth:
    def test_depth_comes_first_at_the_sources_width(self) -> None:
        made = planned("cifar_resnet_14_4", "cifar_resnet_20_8")
        assert (made.deep.name, made.wide.name) == ("cifar_resnet_20_4", "cifar_resnet_20_8")
        assert made.unit_map == ((0, 1, 1),) * 3


class TestFamily:
    def test_another_family_is_refused_by_name(self) -> None:
        with pytest.raises(Refused, match="cifar_resnet_20 of cifar_resnet") as refused:
            planned("mlp_2", "cifar_resnet_20")
        assert refused.value.reason is Reason.STAGES_DIFFER

    def test_an_unknown_target_is_refused(self) -> None:
        with pytest.raises(UnknownArchitecture, match="mlp_N"):
            planned("mlp_2", "mlp_two")


class TestRefit:
    def test_the_same_shapes_are_all_copied(self) -> None:
        assert planned("mlp_2", "mlp_3", dataset="digits").fresh == frozenset()

    def test_other_classes_make_a_fresh_head(self) -> None:
        assert planned("mlp_2", "mlp_3", classes=7, dataset="digits").fresh == {"fc.weight", "fc.bias"}

    def test_a_head_that_must_be_copied_but_cannot_is_refused(self) -> None:
        with pytest.raises(Refused, match=r"fc\..*with head: fresh") as refused:
            planned("mlp_2", "mlp_3", classes=7, dataset="digits", head="copy")
        assert refused.value.reason is Reason.SHAPES_DIFFER

    def test_a_fresh_head_may_be_asked_for_where_it_would_fit(self) -> None:
        assert planned("mlp_2", "mlp_3", head="fresh").fresh == {"fc.weight", "fc.bias"}

    def test_a_stem_that_does_not_fit_the_input_is_refused_unless_fresh(self) -> None:
        with pytest.raises(Refused, match=r"fc_layers\.0\.weight.*with stem: fresh"):
            planned("mlp_2", "mlp_3", dataset="mnist")
        assert planned("mlp_2", "mlp_3", dataset="mnist", stem="fresh").fresh == {
            "fc_layers.0.weight",
            "fc_layers.0.bias",
        }


class TestDrawn:
    @pytest.mark.parametrize(
        "option", [{"weights": "reinit"}, {"norm": "fresh"}, {"head": "fresh"}, {"stem": "fresh"}]
    )
    def test_a_posted_network_is_not_drawn_anew(self, option: dict[str, str]) -> None:
        definition = Definition.model_validate(
            {
                "name": "tiny",
                "stages": [{"name": "blocks", "pattern": "blocks.{unit}."}],
                "prunable": ["blocks.*"],
                "tensors": {"token": [4], "blocks.0.weight": [4, 4], "blocks.1.weight": [4, 4]},
            }
        )
        source = posted_architecture(definition)
        spec = TransformSpec.model_validate({"tickets": [TICKET], "architecture": "tiny:3", **option})
        with pytest.raises(Refused, match=next(iter(option))) as refused:
            plan(spec, source, lambda name, *_: posted_member(definition, name))
        assert refused.value.reason is Reason.UNDRAWABLE


def ticket_on(name: str, shape: tuple[int, int, int] = (1, 8, 8)) -> tuple[Ticket, dict[str, Any]]:
    """A ticket of step 9, a third of its weights left, and the dense weights beneath."""
    network = architecture(name, shape, 10)
    shapes = {spec.name: spec.shape for spec in network.prunable}
    theta = initialise(network, 1)
    return Ticket.from_dense(network, 9, random_mask(shapes, network.prunable_weights // 3, 1), theta), theta


def carried(ticket: Ticket, target: str, beneath: dict[int, Any] | None = None, **options: object) -> Ticket:
    spec = TransformSpec.model_validate({"tickets": [TICKET], "architecture": target, **options})
    made = plan(spec, ticket.architecture, architecture)
    return carry(made, ticket, 5, (beneath or {}).get)


class TestCarry:
    def test_there_and_back_is_the_same_ticket(self) -> None:
        ticket, _ = ticket_on("cifar_resnet_14_2")
        for there, back in (("append", "drop_last"), ("interpolate", "drop_even")):
            passed = [{"architecture": "cifar_resnet_26_2", "order": there}]
            returned = carried(ticket, "cifar_resnet_14_2", via=passed, order=back)
            assert ticket_id(returned) == ticket_id(ticket)

    def test_a_start_at_step_0_lays_the_mask_over_those_weights(self) -> None:
        ticket, _ = ticket_on("mlp_2_6_5")
        theta_0 = initialise(ticket.architecture, 77)
        made = carried(ticket, "mlp_2_6_5", {0: theta_0}, start="zero")
        assert made.rewind_step == 0
        assert made.masks == ticket.masks
        for name, mask in ticket.bool_masks().items():
            assert np.array_equal(made.weight(name), np.where(mask, theta_0[name], 0))

    def test_a_ticket_of_step_0_starts_there_anyway(self) -> None:
        ticket, _ = ticket_on("mlp_2_6_5")
        first = Ticket(ticket.architecture, 0, ticket.masks, ticket.kept, ticket.dense)
        assert ticket_id(carried(first, "mlp_2_6_5", start="zero")) == ticket_id(first)

    def test_permuted_copies_have_the_weights_beneath_them(self) -> None:
        ticket, theta = ticket_on("mlp_2_6_5")
        made = carried(ticket, "mlp_4_6_5", {9: theta}, permute=3)
        first, *copies = (made.masks[f"fc_layers.{i}.weight"] for i in (1, 2, 3))
        assert first == ticket.masks["fc_layers.1.weight"]
        assert len({first, *copies}) == 3
        for i, copy in enumerate(copies, start=2):
            assert copy.survivors == first.survivors
            expected = np.where(copy.to_bool(), theta["fc_layers.1.weight"], 0)
            assert np.array_equal(made.weight(f"fc_layers.{i}.weight"), expected)

    @pytest.mark.parametrize(("option", "step"), [({"permute": 0}, 9), ({"start": "zero"}, 0)])
    def test_dense_weights_that_were_not_kept_are_missed(self, option: dict[str, Any], step: int) -> None:
        ticket, _ = ticket_on("mlp_2_6_5")
        with pytest.raises(Refused, match=f"step {step}") as refused:
            carried(ticket, "mlp_3_6_5", **option)
        assert refused.value.reason is Reason.WEIGHTS_MISSING

    def test_reinit_carries_the_mask_only(self) -> None:
        ticket, _ = ticket_on("cifar_resnet_14_2")
        plain = carried(ticket, "cifar_resnet_20_2")
        made = carried(ticket, "cifar_resnet_20_2", weights="reinit")
        fresh = initialise(plain.architecture, 5)
        assert (made.masks, made.rewind_step) == (plain.masks, 0)
        for name, values in made.weights().items():
            mask = made.masks[name].to_bool() if name in made.masks else True
            assert np.array_equal(values, np.where(mask, fresh[name], 0))

    def test_a_reinitialised_mask_can_be_permuted_without_dense_weights(self) -> None:
        ticket, _ = ticket_on("cifar_resnet_14_2")
        made = carried(ticket, "cifar_resnet_20_2", weights="reinit", permute=1)
        assert made.masks["blocks.1.conv1.weight"] != made.masks["blocks.2.conv1.weight"]

    def test_fresh_normalisation_is_that_of_copies_only(self) -> None:
        ticket, _ = ticket_on("cifar_resnet_14_2")
        made = carried(ticket, "cifar_resnet_20_2", norm="fresh")
        fresh = initialise(made.architecture, 5)
        scale = "blocks.{}.bn1.weight".format
        assert np.array_equal(made.weight(scale(1)), ticket.weight(scale(1)))
        assert np.array_equal(made.weight(scale(2)), fresh[scale(2)])

    def test_depth_width_and_another_dataset_at_once(self) -> None:
        ticket, _ = ticket_on("cifar_resnet_14_2", (3, 32, 32))
        made = carried(ticket, "cifar_resnet_20_3", dataset="mnist", stem="fresh", noise=0)
        assert made.architecture == architecture("cifar_resnet_20_3", (1, 28, 28), 10)
        narrow = carried(ticket, "cifar_resnet_20_2")
        assert np.array_equal(
            made.weight("blocks.1.conv1.weight")[:2, :2, 0, 0] * np.array([[2, 1]], np.float32),
            narrow.weight("blocks.1.conv1.weight")[:, :, 0, 0],
        )


class TestPostedAnatomy:
    """A ViT and a BERT by an anatomy posted as data (12 → 24 → 6), and a built-in network by one of a user's."""

    @pytest.mark.parametrize("kind", ["vit", "bert"])
    @pytest.mark.parametrize("target", [24, 6])
    def test_transformer_blocks_move_whole(self, kind: str, target: int) -> None:
        pattern, state = _vit() if kind == "vit" else _bert()
        definition = Definition.model_validate(
            {
                "name": kind,
                "stages": [{"name": "blocks", "pattern": pattern}],
                "prunable": ["*.weight"],
                "dense": ["*mbed*"],
                "tensors": {
                    name: {"shape": list(values.shape), "dtype": "I64" if values.dtype == np.int64 else "F32"}
                    for name, values in state.items()
                },
            }
        )
        source = posted_architecture(definition)
        numbers = np.random.default_rng(0)
        masks = {spec.name: numbers.random(spec.shape) < 0.5 for spec in source.prunable}
        ticket = Ticket.from_dense(source, 0, masks, state)
        spec = TransformSpec(tickets=[TICKET], architecture=f"{kind}:{target}", order=None)
        made = carry(
            plan(spec, source, lambda n, *_: posted_member(definition, n)), ticket, 0, lambda _: None
        )
        head, tail = pattern.split("{unit}")
        expected = {name: values for name, values in ticket.weights().items() if not name.startswith(head)}
        for unit in range(target):
            for name, values in ticket.weights().items():
                if name.startswith(f"{head}{unit % 12}{tail}"):
                    expected[f"{head}{unit}{tail}{name.removeprefix(f'{head}{unit % 12}{tail}')}"] = values
        assert made.architecture.name == f"{kind}:{target}"
        assert made.weights().keys() == expected.keys()
        assert all(np.array_equal(made.weight(name), values) for name, values in expected.items())

    def test_stages_that_would_prune_other_tensors_are_not_for_this_ticket(self) -> None:
        ticket, _ = ticket_on("mlp_2_6_5")
        definition = Definition.model_validate(
            {
                "name": "mine",
                "input": [1, 8, 8],
                "classes": 10,
                "stages": [{"name": "layers", "pattern": "fc_layers.{unit}.", "fixed": [0, -1]}],
                "prunable": ["*.weight"],
                "dense": ["fc.weight"],
                "tensors": {spec.name: list(spec.shape) for spec in ticket.architecture.tensors},
            }
        )
        spec = TransformSpec(tickets=[TICKET], architecture="mine:4")
        with pytest.raises(Refused) as refused:
            plan(spec, ticket.architecture, lambda name, *_: posted_member(definition, name))
        assert refused.value.reason is Reason.STAGES_DIFFER

    def test_a_ticket_of_a_built_in_family_moves_by_the_users_own_stages(self) -> None:
        ticket, _ = ticket_on("mlp_4_6_5")
        definition = Definition.model_validate(
            {
                "name": "mine",
                "input": [1, 8, 8],
                "classes": 10,
                "stages": [{"name": "layers", "pattern": "fc_layers.{unit}.", "fixed": [0, -1]}],
                "prunable": ["*.weight"],
                "tensors": {spec.name: list(spec.shape) for spec in ticket.architecture.tensors},
            }
        )
        spec = TransformSpec(tickets=[TICKET], architecture="mine:3", unit_map="0:0;2:1;4:2")
        made = plan(spec, ticket.architecture, lambda name, *_: posted_member(definition, name))
        moved = carry(made, ticket, 0, lambda _: None)
        assert np.array_equal(moved.weight("fc_layers.1.weight"), ticket.weight("fc_layers.2.weight"))


def _vit() -> tuple[str, dict[str, Any]]:
    shapes = {"cls_token": (1, 1, 8), "pos_embed": (1, 5, 8), "patch_embed.proj.weight": (8, 3, 2, 2)}
    for unit in range(12):
        for name, shape in {
            "norm1.weight": (8,), "norm1.bias": (8,), "attn.qkv.weight": (24, 8), "attn.qkv.bias": (24,),
            "attn.proj.weight": (8, 8), "mlp.fc1.weight": (16, 8), "mlp.fc2.weight": (8, 16),
        }.items():  # fmt: skip
            shapes[f"blocks.{unit}.{name}"] = shape
    shapes |= {"norm.weight": (8,), "norm.bias": (8,), "head.weight": (3, 8), "head.bias": (3,)}
    return "blocks.{unit}.", _filled(shapes)


def _bert() -> tuple[str, dict[str, Any]]:
    shapes = {"embeddings.word_embeddings.weight": (11, 8), "embeddings.LayerNorm.weight": (8,)}
    for unit in range(12):
        for name, shape in {
            "attention.self.query.weight": (8, 8), "attention.self.key.bias": (8,),
            "attention.output.LayerNorm.weight": (8,), "intermediate.dense.weight": (16, 8),
            "output.dense.weight": (8, 16),
        }.items():  # fmt: skip
            shapes[f"encoder.layer.{unit}.{name}"] = shape
    shapes["pooler.dense.weight"] = (8, 8)
    return "encoder.layer.{unit}.", _filled(shapes) | {"embeddings.position_ids": np.arange(4)}


def _filled(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    numbers = np.random.default_rng(7)
    return {name: numbers.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
