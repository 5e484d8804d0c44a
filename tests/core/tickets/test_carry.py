"""Each step of a transformation, on tickets of random masks and weights, beside loops over single weights."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.elastic.unit_map import Order, named_map
from core.families import architecture
from core.families.architecture import Architecture, Role
from core.families.initialisation import initialise
from core.tickets import Ticket, ticket_id
from core.tickets.carry import (
    over,
    permuted,
    refitted,
    replicas,
    replicate_or_drop,
    rescaled,
    with_fresh_norm,
)

MEMBERS = [
    ("mlp_3_6_5", "mlp_5_6_5", (1, 2, 2)),
    ("cifar_resnet_14_2", "cifar_resnet_26_2", (3, 8, 8)),
    ("cifar_vgg_13_2_fc2", "cifar_vgg_16_2_fc3", (3, 32, 32)),
    ("cifar_mobilenetv1_1", "cifar_mobilenetv1_2", (3, 8, 8)),
    ("imagenet_resnet_18_2", "imagenet_resnet_34_2", (3, 32, 32)),
    ("cifarhe_resnet_18_2", "cifarhe_resnet_26_2", (3, 8, 8)),
]


def full(network: Architecture, seed: int) -> dict[str, Any]:
    """A state dict of values that are all different, counters too."""
    numbers = np.random.default_rng(seed)
    return {
        spec.name: np.array(numbers.integers(1, 1000))
        if spec.role is Role.COUNT
        else np.abs(numbers.standard_normal(spec.shape)).astype(np.float32)
        for spec in network.tensors
    }


def ticket_on(name: str, shape: tuple[int, int, int], seed: int = 0, density: float = 0.3) -> Ticket:
    network, numbers = architecture(name, shape, 3), np.random.default_rng(seed + 1)
    masks = {spec.name: numbers.random(spec.shape) < density for spec in network.prunable}
    return Ticket.from_dense(network, 7, masks, full(network, seed))


def units(network: Architecture) -> list[list[set[str]]]:
    """The tensors of each entry of each stage."""
    return [[set(entry.tensors.values()) for entry in stage.entries] for stage in network.anatomy.stages]


class TestReplicateOrDrop:
    @pytest.mark.parametrize(("small", "large", "shape"), MEMBERS)
    def test_every_weight_and_bit_of_a_unit_travels_with_it(
        self, small: str, large: str, shape: tuple[int, int, int]
    ) -> None:
        ticket, target = ticket_on(small, shape), architecture(large, shape, 3)
        unit_map = named_map(Order.INTERPOLATE, ticket.architecture.anatomy, target.anatomy)
        made = replicate_or_drop(ticket, ticket.architecture.anatomy, target, unit_map)
        old, new = ticket.weights(), made.weights()
        seen: set[str] = set()
        pairs = zip(unit_map, ticket.architecture.anatomy.stages, target.anatomy.stages, strict=True)
        for origins, source, stage in pairs:
            for position, origin in enumerate(origins):
                for local, name in stage.entries[position].tensors.items():
                    came_from = source.entries[origin].tensors[local]
                    assert np.array_equal(new[name], old[came_from])
                    if name in made.masks:
                        assert made.masks[name] == ticket.masks[came_from]
                    seen.add(name)
        for name in new.keys() - seen:
            assert np.array_equal(new[name], old[name])
        assert made.rewind_step == 7

    @pytest.mark.parametrize(("small", "large", "shape"), MEMBERS)
    def test_append_then_drop_last_is_the_same_ticket(
        self, small: str, large: str, shape: tuple[int, int, int]
    ) -> None:
        ticket, target = ticket_on(small, shape), architecture(large, shape, 3)
        there = named_map(Order.APPEND, ticket.architecture.anatomy, target.anatomy)
        stretched = replicate_or_drop(ticket, ticket.architecture.anatomy, target, there)
        back = named_map(Order.DROP_LAST, target.anatomy, ticket.architecture.anatomy)
        returned = replicate_or_drop(stretched, target.anatomy, ticket.architecture, back)
        assert ticket_id(returned) == ticket_id(ticket)


class TestReplicas:
    def test_all_but_the_first_occurrence_of_each_unit(self) -> None:
        old, new = (architecture(name, (1, 2, 2), 3) for name in ("mlp_3_6_5", "mlp_5_6_5"))
        found = replicas(old.anatomy, new.anatomy, ((0, 2, 1, 2, 2, 3),))
        assert found == {f"fc_layers.{i}.{kind}" for i in (3, 4) for kind in ("weight", "bias")}


class TestOver:
    def test_the_mask_stays_and_the_values_are_the_other_ones(self) -> None:
        ticket = ticket_on("cifar_resnet_8_2", (3, 8, 8))
        theta = full(ticket.architecture, 9)
        moved = over(ticket, theta, 2)
        assert moved.masks == ticket.masks
        assert moved.rewind_step == 2
        for name, values in moved.weights().items():
            mask = ticket.masks[name].to_bool() if name in ticket.masks else True
            assert np.array_equal(values, np.where(mask, theta[name], 0))


class TestPermuted:
    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 1000), st.floats(0, 1))
    def test_counts_stay_and_new_places_hold_the_weights_beneath(self, seed: int, density: float) -> None:
        ticket = ticket_on("mlp_3_6_5", (1, 2, 2), seed, density)
        theta = full(ticket.architecture, seed)
        names = {"fc_layers.1.weight", "fc_layers.1.bias"}
        shuffled = permuted(ticket, names, theta, seed)
        for name in ticket.masks:
            assert shuffled.masks[name].survivors == ticket.masks[name].survivors
            if name not in names:
                assert shuffled.masks[name] == ticket.masks[name]
            expected = np.where(shuffled.masks[name].to_bool(), theta[name], 0)
            assert np.array_equal(shuffled.weight(name), expected)

    def test_the_places_depend_on_the_seed_and_the_tensor_alone(self) -> None:
        ticket = ticket_on("mlp_3_6_5", (1, 2, 2))
        theta = full(ticket.architecture, 0)
        one, again, other = (permuted(ticket, ticket.masks, theta, seed) for seed in (1, 1, 2))
        assert one.masks == again.masks
        assert one.masks["fc_layers.1.weight"] != other.masks["fc_layers.1.weight"]
        assert one.masks["fc_layers.1.weight"] != one.masks["fc_layers.2.weight"]

    def test_every_place_is_as_likely(self) -> None:
        ticket = ticket_on("mlp_1_4_3", (1, 1, 2), density=0.5)
        theta = full(ticket.architecture, 0)
        name = "fc_layers.0.weight"
        hits = np.zeros(8)
        for seed in range(400):
            hits += permuted(ticket, [name], theta, seed).masks[name].to_bool().reshape(-1)
        share = ticket.masks[name].survivors / 8
        assert np.abs(hits / 400 - share).max() < 0.12


class TestWithFreshNorm:
    def test_only_the_normalisation_of_the_tensors_named_is_new(self) -> None:
        ticket = ticket_on("cifar_resnet_14_2", (3, 8, 8))
        block = units(ticket.architecture)[1][1]
        made = with_fresh_norm(ticket, block, 4)
        untrained = initialise(ticket.architecture, 4)
        for name, values in made.weights().items():
            is_norm = name in block and ".bn" in name
            assert np.array_equal(values, untrained[name] if is_norm else ticket.weight(name)), name
        assert made.dense["blocks.3.bn1.num_batches_tracked"] == 0


class TestRescaled:
    def test_a_wider_member_has_each_channel_again_and_its_readers_halved(self) -> None:
        ticket = ticket_on("mlp_1_4_3", (1, 1, 2))
        wide = rescaled(ticket, architecture("mlp_1_8_3", (1, 1, 2), 3), 0.0, 0)
        first, second = ticket.weight("fc_layers.0.weight"), ticket.weight("fc_layers.1.weight")
        assert np.array_equal(wide.weight("fc_layers.0.weight"), np.concatenate([first, first]))
        assert np.array_equal(wide.weight("fc_layers.1.weight"), np.concatenate([second, second], 1) / 2)
        assert wide.survivors == ticket.survivors * 2 - ticket.masks["fc.weight"].survivors

    def test_twins_of_a_second_widening_part_too(self) -> None:
        ticket = ticket_on("mlp_1_4_4", (1, 1, 2), density=1.0)
        once = rescaled(ticket, architecture("mlp_1_8_4", (1, 1, 2), 3), 0.1, 0)
        twice = rescaled(once, architecture("mlp_1_16_4", (1, 1, 2), 3), 0.1, 0)
        rows = {row.tobytes() for row in twice.weight("fc_layers.0.weight")}
        assert len(rows) == 16

    def test_noise_touches_copies_only_and_never_a_pruned_weight(self) -> None:
        ticket = ticket_on("mlp_1_4_3", (1, 1, 2))
        target = architecture("mlp_1_8_3", (1, 1, 2), 3)
        plain, noisy = (rescaled(ticket, target, noise, 5) for noise in (0.0, 0.1))
        assert noisy.masks == plain.masks
        same = noisy.weight("fc_layers.0.weight") == plain.weight("fc_layers.0.weight")
        assert same[:4].all()
        assert np.array_equal(same[4:], ~noisy.masks["fc_layers.0.weight"].to_bool()[4:])


class TestRefitted:
    def test_fresh_tensors_are_drawn_dense_and_the_rest_stays(self) -> None:
        ticket = ticket_on("cifar_resnet_8_2", (3, 8, 8))
        target = architecture("cifar_resnet_8_2", (3, 8, 8), 5)
        made = refitted(ticket, target, target.head, 3)
        untrained = initialise(target, 3)
        assert made.bool_masks()["fc.weight"].all()
        for name, values in made.weights().items():
            assert np.array_equal(values, untrained[name] if name in target.head else ticket.weight(name))
