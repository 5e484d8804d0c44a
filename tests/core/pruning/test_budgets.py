from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.families import architecture
from core.pruning.budgets import layer_survivors
from core.pruning.erk import erk_densities

RESNET_50 = {
    tensor.name: tensor.shape for tensor in architecture("imagenet_resnet_50", (3, 224, 224), 1000).prunable
}

shapes_of = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.lists(st.integers(1, 12), min_size=2, max_size=4).map(tuple),
    min_size=1,
    max_size=8,
)


def by_largest_remainder(shares: dict[str, Fraction]) -> dict[str, int]:
    """One weight after another to the layer that lacks the largest part of one, the later of equals."""
    counts = {name: int(share) for name, share in shares.items()}
    lacking = {name: share - counts[name] for name, share in shares.items()}
    for _ in range(int(sum(shares.values())) - sum(counts.values())):
        most = max(lacking.values())
        name = [name for name in shares if lacking[name] == most][-1]
        counts[name] += 1
        lacking[name] = Fraction(-1)
    return counts


class TestLayerSurvivors:
    @given(shapes_of, st.sampled_from(["uniform", "erk"]), st.data())
    def test_equals_handing_out_one_by_one(
        self, shapes: dict[str, tuple[int, ...]], scope: Literal["uniform", "erk"], data: st.DataObject
    ) -> None:
        dense = data.draw(st.sets(st.sampled_from(list(shapes))))
        sizes = {name: math.prod(shape) for name, shape in shapes.items()}
        whole = sum(sizes[name] for name in dense)
        survivors = data.draw(st.integers(whole, sum(sizes.values())))
        if scope == "erk":
            densities = erk_densities(shapes, Fraction(survivors, sum(sizes.values())), dense)
        else:
            rest = sum(sizes.values()) - whole
            densities = {
                name: Fraction(1) if name in dense else Fraction(survivors - whole, rest) for name in shapes
            }
        counts = layer_survivors(shapes, survivors, scope, dense)
        assert counts == by_largest_remainder({name: densities[name] * sizes[name] for name in shapes})
        assert list(counts) == list(shapes)
        assert sum(counts.values()) == survivors
        assert all(0 <= counts[name] <= sizes[name] for name in shapes)
        assert all(counts[name] == sizes[name] for name in dense)

    @pytest.mark.parametrize(
        ("survivors", "capped"), [(5_100_583, 8), (2_550_292, 1), (1_275_146, 0), (25_502_912, 54), (0, 0)]
    )
    def test_resnet_50_at_80_90_and_95_percent_is_exact(self, survivors: int, capped: int) -> None:
        counts = layer_survivors(RESNET_50, survivors, "erk")
        assert sum(counts.values()) == survivors
        assert sum(counts[name] == math.prod(shape) for name, shape in RESNET_50.items()) == capped

    def test_of_equal_remainders_the_later_layer_has_the_weight(self) -> None:
        assert layer_survivors({"b": (1, 3), "a": (1, 3)}, 3, "uniform") == {"b": 1, "a": 2}

    def test_uniform_is_the_same_density_in_every_other_layer(self) -> None:
        counts = layer_survivors({"a": (10, 10), "b": (10, 20), "fc": (2, 10)}, 170, "uniform", ["fc"])
        assert counts == {"a": 50, "b": 100, "fc": 20}

    @pytest.mark.parametrize("scope", ["uniform", "erk"])
    @pytest.mark.parametrize("survivors", [19, 121])
    def test_an_impossible_count_is_refused(self, scope: Literal["uniform", "erk"], survivors: int) -> None:
        with pytest.raises(ValueError, match=f"{survivors} survivors asked for; between 20 and 120"):
            layer_survivors({"a": (10, 10), "fc": (2, 10)}, survivors, scope, ["fc"])

    def test_an_unknown_dense_tensor_is_refused(self) -> None:
        with pytest.raises(ValueError, match="head"):
            layer_survivors({"a": (2, 2)}, 2, "erk", ["head"])
