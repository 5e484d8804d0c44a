from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pruning.patterns import blocks, n_of_m

Arrays = dict[str, np.ndarray]


@st.composite
def layers(draw: st.DrawFn) -> Arrays:
    """Linear and convolutional scores with many ties; some divide into twos and fours, some do not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scores = {}
    for name in draw(st.permutations(["a", "b", "c"]))[: draw(st.integers(1, 3))]:
        outputs, inputs = draw(st.sampled_from([1, 2, 3, 4, 8])), draw(st.sampled_from([1, 2, 3, 4, 6, 8]))
        kernel = draw(st.sampled_from([(), (1, 1), (3, 2)]))
        scores[name] = (rng.integers(-3, 4, (outputs, inputs, *kernel)) / 8).astype(np.float32)
    return scores


class TestNOfM:
    @given(layers(), st.sampled_from([(1, 2), (2, 4), (1, 4), (3, 4), (1, 3), (2, 2)]), st.booleans())
    def test_equals_a_sort_of_every_group(
        self, scores: Arrays, pattern: tuple[int, int], keeping: bool
    ) -> None:
        (n, m), dense = pattern, {next(iter(scores))} if keeping else set()
        kept = n_of_m(scores, n, m, dense)
        assert list(kept) == list(scores)
        for name, score in scores.items():
            outputs, inputs, *kernel = score.shape
            if name in dense or inputs % m:
                assert kept[name].all()
                continue
            for out, first, place in itertools.product(
                range(outputs), range(0, inputs, m), itertools.product(*map(range, kernel))
            ):
                group = sorted((float(score[(out, i, *place)]), i) for i in range(first, first + m))
                surviving = {i for _, i in group[m - n :]}
                for i in range(first, first + m):
                    assert kept[name][(out, i, *place)] == (i in surviving)

    def test_of_equal_scores_the_later_inputs_survive(self) -> None:
        kept = n_of_m({"a": np.ones((1, 8), np.float32)}, 2, 4)["a"]
        np.testing.assert_array_equal(kept, [[False, False, True, True] * 2])

    @pytest.mark.parametrize(("n", "m"), [(0, 4), (5, 4)])
    def test_an_impossible_pattern_is_refused(self, n: int, m: int) -> None:
        with pytest.raises(ValueError, match=f"{n} of every 4 weights cannot survive: between 1 and 4 can"):
            n_of_m({"a": np.ones((1, 8))}, n, m)

    def test_a_score_that_is_not_finite_is_refused(self) -> None:
        with pytest.raises(ValueError, match="score of a is NaN"):
            n_of_m({"a": np.array([[np.nan, 1.0]])}, 1, 2)

    def test_an_unknown_dense_tensor_is_refused(self) -> None:
        with pytest.raises(ValueError, match="head"):
            n_of_m({"a": np.ones((1, 8))}, 2, 4, ["head"])


class TestBlocks:
    @given(layers(), st.sampled_from([(2, 1), (4, 1), (1, 4), (2, 2), (1, 1)]), st.booleans(), st.data())
    def test_equals_a_sort_of_all_blocks(
        self, scores: Arrays, size: tuple[int, int], keeping: bool, data: st.DataObject
    ) -> None:
        (rows, columns), dense = size, {next(iter(scores))} if keeping else set()
        ranked, whole = [], 0
        expected = {name: np.zeros(score.shape, bool) for name, score in scores.items()}
        for tensor, (name, score) in enumerate(scores.items()):
            outputs, inputs, *kernel = score.shape
            if name in dense or outputs % rows or inputs % columns:
                expected[name][:] = True
                whole += score.size
                continue
            for row, column, place in itertools.product(
                range(0, outputs, rows), range(0, inputs, columns), itertools.product(*map(range, kernel))
            ):
                block = (name, (slice(row, row + rows), slice(column, column + columns), *place))
                total = float(score[block[1]].sum(dtype=np.float64))
                index = int(np.ravel_multi_index((row, column, *place), score.shape))
                ranked.append((total, tensor, index, block))
        survivors = data.draw(st.integers(whole, sum(score.size for score in scores.values())))
        fitting = (survivors - whole) // (rows * columns)
        for _, _, _, (name, where) in sorted(ranked, key=lambda one: one[:3])[len(ranked) - fitting :]:
            expected[name][where] = True
        kept = blocks(scores, survivors, rows, columns, dense)
        assert list(kept) == list(scores)
        for name in scores:
            np.testing.assert_array_equal(kept[name], expected[name])
        assert sum(int(mask.sum()) for mask in kept.values()) == whole + fitting * rows * columns <= survivors

    @pytest.mark.parametrize("survivors", [8, 26])
    def test_an_impossible_count_is_refused(self, survivors: int) -> None:
        scores = {"a": np.ones((4, 4)), "odd": np.ones((3, 3))}
        with pytest.raises(
            ValueError, match=f"{survivors} survivors asked for; between 9 and 25 are possible"
        ):
            blocks(scores, survivors, 4, 1)

    def test_a_score_that_is_not_finite_is_refused_by_its_tensor(self) -> None:
        with pytest.raises(ValueError, match="score of a is infinite"):
            blocks({"a": np.array([[np.inf], [-np.inf]])}, 2, 2, 1)

    def test_an_unknown_dense_tensor_is_refused(self) -> None:
        with pytest.raises(ValueError, match="head"):
            blocks({"a": np.ones((4, 4))}, 8, 4, 1, ["head"])
