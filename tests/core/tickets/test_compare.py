from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.families import architecture as built_in
from core.families.architecture import Architecture
from core.families.initialisation import initialise
from core.tickets import Ticket
from core.tickets.compare import Overlap, compare

densities = st.sampled_from([0.0, 0.05, 0.5, 0.9, 1.0])
seeds = st.integers(0, 99)


def drawn(network: Architecture, density: float, seed: int) -> Ticket:
    """A ticket whose weights are initial ones, whatever the mask, so that shared survivors are close or equal."""
    rng = np.random.default_rng(seed)
    masks = {spec.name: rng.random(spec.shape) < density for spec in network.prunable}
    return Ticket.from_dense(network, 0, masks, initialise(network, seed % 3))


def by_hand(a: Ticket, b: Ticket, names: Iterable[str]) -> dict[str, float | None]:
    """Oracle: sets of places, and plain sums over dictionaries of weights."""
    set_a, set_b, weight_a, weight_b, size, expected = set(), set(), {}, {}, 0, 0.0
    for name in names:
        places_a, places_b = (
            {(name, int(i)) for i in np.flatnonzero(t.masks[name].to_bool())} for t in (a, b)
        )
        n = a.masks[name].size
        expected += len(places_a) * len(places_b) / n
        size += n
        set_a |= places_a
        set_b |= places_b
        for ticket, weights in ((a, weight_a), (b, weight_b)):
            flat = ticket.weights()[name].reshape(-1)
            weights |= {(name, i): float(value) for i, value in enumerate(flat)}
    norm_a, norm_b = (math.hypot(*weights.values()) for weights in (weight_a, weight_b))
    dot = math.fsum(weight_a[place] * weight_b[place] for place in weight_a)
    either = len(set_a | set_b)
    return {
        "size": size,
        "survivors_a": len(set_a),
        "survivors_b": len(set_b),
        "both": len(set_a & set_b),
        "iou": len(set_a & set_b) / either if either else None,
        "chance": expected / (len(set_a) + len(set_b) - expected) if either else None,
        "cosine": dot / (norm_a * norm_b) if norm_a and norm_b else None,
    }


def figures(overlap: Overlap) -> dict[str, float | None]:
    return {
        name: getattr(overlap, name)
        for name in ("size", "survivors_a", "survivors_b", "both", "iou", "chance", "cosine")
    }


class TestCompare:
    @settings(deadline=None, max_examples=50)
    @given(densities, densities, seeds, seeds)
    def test_equals_the_oracle_in_every_tensor_and_in_total(self, architecture, p, q, s, t):
        a, b = drawn(architecture, p, s), drawn(architecture, q, t)
        comparison = compare(a, b)
        names = [spec.name for spec in architecture.prunable]
        assert list(comparison.tensors) == names
        for name in names:
            assert figures(comparison.tensors[name]) == pytest.approx(by_hand(a, b, [name]), abs=1e-12)
        assert figures(comparison.total) == pytest.approx(by_hand(a, b, names), abs=1e-12)
        assert comparison.only_a == comparison.only_b == comparison.other_shape == ()

    @given(densities, densities, seeds, seeds)
    def test_the_order_of_the_tickets_does_not_matter(self, architecture, p, q, s, t):
        a, b = drawn(architecture, p, s), drawn(architecture, q, t)
        one, other = compare(a, b).total, compare(b, a).total
        assert (one.iou, one.chance, one.cosine) == (other.iou, other.chance, other.cosine)

    @given(st.sampled_from([0.05, 0.5, 1.0]), seeds)
    def test_a_ticket_is_like_itself(self, architecture, density, seed):
        ticket = drawn(architecture, density, seed)
        total = compare(ticket, ticket).total
        if ticket.survivors:
            assert total.iou == 1.0
            assert 1 - 1e-12 < total.cosine <= 1.0

    def test_empty_masks_have_no_likeness(self, architecture):
        empty = drawn(architecture, 0.0, 0)
        total = compare(empty, empty).total
        assert (total.iou, total.chance, total.cosine) == (None, None, None)
        total = compare(empty, drawn(architecture, 1.0, 0)).total
        assert (total.iou, total.chance, total.cosine) == (0.0, 0.0, None)

    def test_survivors_that_are_zero_have_no_direction(self, architecture, state):
        masks = {spec.name: np.ones(spec.shape, bool) for spec in architecture.prunable}
        zeros = state(0) | {name: np.zeros(mask.shape, np.float32) for name, mask in masks.items()}
        ticket = Ticket.from_dense(architecture, 0, masks, zeros)
        total = compare(ticket, ticket).total
        assert (total.iou, total.cosine) == (1.0, None)

    def test_opposite_weights_have_cosine_minus_one(self, architecture):
        a = drawn(architecture, 1.0, 0)
        kept = {name: -values for name, values in a.kept.items()}
        b = Ticket(a.architecture, 0, a.masks, kept, a.dense)
        assert compare(a, b).total.cosine == pytest.approx(-1, abs=1e-12)

    def test_weights_too_small_to_square_in_single_precision_still_count(self, architecture):
        a = drawn(architecture, 1.0, 0)
        kept = {name: values * np.float32(1e-30) for name, values in a.kept.items()}
        b = Ticket(a.architecture, 0, a.masks, kept, a.dense)
        assert compare(a, b).total.cosine == pytest.approx(1, abs=1e-6)

    def test_chance_is_what_random_masks_give(self, architecture):
        name = "conv.weight"
        comparisons = [
            compare(drawn(architecture, 0.5, 2 * seed), drawn(architecture, 0.5, 2 * seed + 1)).tensors[name]
            for seed in range(150)
        ]
        found = np.mean([overlap.iou for overlap in comparisons])
        expected = np.mean([overlap.chance for overlap in comparisons])
        assert found == pytest.approx(expected, abs=0.02)


class TestOtherNetworks:
    def test_a_deeper_member_shares_the_tensors_of_equal_name_and_shape(self):
        a, b = (drawn(built_in(name, [1, 4, 4], 3), 0.5, 0) for name in ("mlp_2", "mlp_3"))
        comparison = compare(a, b)
        # The last hidden layer narrows to 100: layer 2 of the one, layer 3 of the other.
        assert list(comparison.tensors) == ["fc_layers.0.weight", "fc_layers.1.weight", "fc.weight"]
        assert comparison.other_shape == ("fc_layers.2.weight",)
        assert (comparison.only_a, comparison.only_b) == ((), ("fc_layers.3.weight",))
        assert compare(b, a).only_a == ("fc_layers.3.weight",)
        assert figures(comparison.total) == pytest.approx(by_hand(a, b, comparison.tensors), abs=1e-12)

    def test_networks_with_nothing_in_common_have_no_figures(self, architecture):
        a, b = drawn(architecture, 0.5, 0), drawn(built_in("mlp_1", [1, 4, 4], 3), 0.5, 0)
        comparison = compare(a, b)
        assert comparison.tensors == {}
        assert comparison.total == Overlap(0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0)
        assert comparison.total.iou is None
        assert comparison.only_a == ("conv.weight",)
        assert comparison.other_shape == ("fc.weight",)
        assert comparison.only_b == ("fc_layers.0.weight", "fc_layers.1.weight")


class TestSigns:
    @given(st.sampled_from([0.3, 1.0]), seeds, seeds)
    def test_agreement_is_counted_where_both_survive(self, architecture, density, one, other):
        a, b = drawn(architecture, density, one), drawn(architecture, density, other)
        both = same = 0
        for name, mask in a.bool_masks().items():
            for place in np.argwhere(mask & b.bool_masks()[name]):
                x, y = (float(ticket.weights()[name][tuple(place)]) for ticket in (a, b))
                both += 1
                same += (x > 0, x < 0) == (y > 0, y < 0)
        total = compare(a, b).total
        assert total.same_sign == same
        assert total.sign_agreement == (same / both if both else None)

    def test_opposite_weights_never_agree(self, architecture):
        a = drawn(architecture, 1.0, 0)
        b = Ticket(a.architecture, 0, a.masks, {name: -kept for name, kept in a.kept.items()}, a.dense)
        assert compare(a, b).tensors["conv.weight"].sign_agreement == 0
