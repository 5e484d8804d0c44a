from __future__ import annotations

import math
from collections.abc import Collection
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.families import architecture
from core.pruning.erk import erk_densities

Shapes = dict[str, tuple[int, ...]]

RESNET_50 = {
    tensor.name: tensor.shape for tensor in architecture("imagenet_resnet_50", (3, 224, 224), 1000).prunable
}
WEIGHTS = 25_502_912

# Layers: how many of this shape; the density of each at 80, 90 and 95 % sparsity. Solved by hand: of the sums of
# dimensions, 52451 in all, those of capped layers go (130 + 4·322 + 2·322 … at 80 %, 130 at 90 %, none at 95 %), and
# ε = (ρ · 25502912 − capped weights) / what is left of them.
EPSILON = {
    80: Fraction(24_827_072, 5 * 49_873),
    90: Fraction(12_730_976, 5 * 52_191),
    95: Fraction(6_375_728, 5 * 52_321),
}
TABLE: dict[tuple[int, ...], tuple[int, float, float, float]] = {
    (64, 3, 7, 7): (1, 0.857191, 0.420033, 0.209832),
    (64, 64, 1, 1): (1, 1, 1, 0.773512),
    (64, 64, 3, 3): (3, 0.361903, 0.177337, 0.088590),
    (256, 64, 1, 1): (4, 1, 0.958809, 0.478983),
    (64, 256, 1, 1): (2, 1, 0.958809, 0.478983),
    (128, 256, 1, 1): (1, 1, 0.574690, 0.287092),
    (128, 128, 3, 3): (4, 0.176900, 0.086683, 0.043303),
    (512, 128, 1, 1): (4, 0.975315, 0.477916, 0.238748),
    (512, 256, 1, 1): (1, 0.584885, 0.286600, 0.143174),
    (128, 512, 1, 1): (3, 0.975315, 0.477916, 0.238748),
    (256, 512, 1, 1): (1, 0.584885, 0.286600, 0.143174),
    (256, 256, 3, 3): (6, 0.087437, 0.042845, 0.021404),
    (1024, 256, 1, 1): (6, 0.486898, 0.238586, 0.119188),
    (1024, 512, 1, 1): (1, 0.292063, 0.143114, 0.071494),
    (256, 1024, 1, 1): (5, 0.486898, 0.238586, 0.119188),
    (512, 1024, 1, 1): (1, 0.292063, 0.143114, 0.071494),
    (512, 512, 3, 3): (3, 0.043466, 0.021299, 0.010640),
    (2048, 512, 1, 1): (3, 0.243259, 0.119200, 0.059547),
    (2048, 1024, 1, 1): (1, 0.145937, 0.071511, 0.035724),
    (512, 2048, 1, 1): (2, 0.243259, 0.119200, 0.059547),
    (1000, 2048): (1, 0.148175, 0.072607, 0.036272),
}


def one_at_a_time(shapes: Shapes, budget: Fraction, dense: Collection[str]) -> dict[str, Fraction]:
    """The authors' loop: only the layers of the highest probability of all become dense, then ε is solved again."""
    capped = set(dense)
    while True:
        rest, divisor, raw = budget, Fraction(0), {}
        for name, shape in shapes.items():
            if name in capped:
                rest -= math.prod(shape)
            else:
                raw[name] = Fraction(sum(shape), math.prod(shape))
                divisor += raw[name] * math.prod(shape)
        if not raw:
            return dict.fromkeys(shapes, Fraction(1))
        epsilon, highest = rest / divisor, max(raw.values())
        if epsilon * highest <= 1:
            return {name: epsilon * raw[name] if name in raw else Fraction(1) for name in shapes}
        capped |= {name for name, probability in raw.items() if probability == highest}


dimensions = st.lists(st.integers(1, 12), min_size=2, max_size=4).map(tuple)


class TestErkDensities:
    @pytest.mark.parametrize(("column", "sparsity"), [(1, 80), (2, 90), (3, 95)])
    def test_resnet_50_is_the_table(self, column: int, sparsity: int) -> None:
        assert sum(map(math.prod, RESNET_50.values())) == WEIGHTS
        densities = erk_densities(RESNET_50, Fraction(100 - sparsity, 100))
        for shape, row in TABLE.items():
            layers = [name for name in RESNET_50 if RESNET_50[name] == shape]
            assert len(layers) == row[0]
            for name in layers:
                assert float(densities[name]) == pytest.approx(row[column], abs=5.1e-7)
                uncapped = EPSILON[sparsity] * Fraction(sum(shape), math.prod(shape))
                assert densities[name] == (1 if row[column] == 1 else uncapped)
        assert sum(densities[name] * math.prod(shape) for name, shape in RESNET_50.items()) == Fraction(
            (100 - sparsity) * WEIGHTS, 100
        )

    @given(
        st.dictionaries(st.text("abc", min_size=1, max_size=3), dimensions, min_size=1, max_size=8),
        st.data(),
    )
    def test_equals_capping_one_at_a_time(self, shapes: Shapes, data: st.DataObject) -> None:
        dense = data.draw(st.sets(st.sampled_from(list(shapes))))
        everything = sum(map(math.prod, shapes.values()))
        budget = data.draw(st.integers(sum(math.prod(shapes[name]) for name in dense), everything))
        densities = erk_densities(shapes, Fraction(budget, everything), dense)
        assert densities == one_at_a_time(shapes, Fraction(budget), dense)
        assert sum(densities[name] * math.prod(shapes[name]) for name in shapes) == budget

    def test_a_layer_that_only_the_second_solution_caps_is_capped(self) -> None:
        # Raw densities 2, 1/2 and 1/20; sums of dimensions 2, 8 and 80.
        shapes = {"a": (1, 1), "b": (4, 4), "c": (40, 40)}
        assert erk_densities(shapes, Fraction(30, 1617)) == {
            "a": Fraction(2, 3), "b": Fraction(1, 6), "c": Fraction(1, 60),
        }  # fmt: skip
        # Of 30, ε = 30/90 caps none. Of 150, ε = 150/90 caps a alone, and 149/88 still leaves b at 0.85. Of 179,
        # ε = 179/90 caps a alone (b has 0.994), and only 178/88 caps b (1.011): then ε = 162/80.
        assert erk_densities(shapes, Fraction(150, 1617))["b"] == Fraction(149, 88) / 2
        assert erk_densities(shapes, Fraction(179, 1617)) == {"a": 1, "b": 1, "c": Fraction(162, 1600)}

    def test_a_dense_tensor_is_whole_and_counts(self) -> None:
        densities = erk_densities({"a": (10, 10), "fc": (2, 10)}, Fraction(1, 2), ["fc"])
        assert densities == {"a": Fraction(40, 100), "fc": 1}

    @pytest.mark.parametrize("density", [Fraction(1, 7), Fraction(7, 6)])
    def test_an_impossible_density_is_refused(self, density: Fraction) -> None:
        with pytest.raises(ValueError, match=r"a density of .* is impossible"):
            erk_densities({"a": (10, 10), "fc": (2, 10)}, density, ["fc"])

    def test_an_unknown_dense_tensor_is_refused(self) -> None:
        with pytest.raises(ValueError, match="head"):
            erk_densities({"a": (2, 2)}, Fraction(1, 2), ["head"])
