from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.pruning.selection import keep_largest

Arrays = dict[str, np.ndarray]


@st.composite
def networks(draw: st.DrawFn) -> tuple[Arrays, Arrays]:
    """Signed scores, many of them equal, of a few tensors in no alphabetical order; and masks over them."""
    names = draw(st.permutations(["a", "b", "c", "d"]))[: draw(st.integers(1, 4))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels, dtype = draw(st.integers(0, 20)), draw(st.sampled_from([np.float32, np.float64]))
    scores, masks = {}, {}
    for name in names:
        shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
        scores[name] = (rng.integers(-levels, levels + 1, shape) / 8).astype(dtype)
        masks[name] = rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 0.8, 1.0]))
        if draw(st.booleans()):
            scores[name] = np.asfortranarray(scores[name])
    return scores, masks


def count(masks: Arrays) -> int:
    return sum(int(mask.sum()) for mask in masks.values())


class TestKeepLargest:
    @settings(max_examples=200)
    @given(networks(), st.data())
    def test_equals_a_sort(
        self, sorted_choice: Callable[..., Arrays], network: tuple[Arrays, Arrays], data: st.DataObject
    ) -> None:
        scores, masks = network
        dense = data.draw(st.sets(st.sampled_from(list(scores))))
        allowed = masks if data.draw(st.booleans()) else None
        most = count(allowed or {name: np.ones(score.shape, bool) for name, score in scores.items()})
        least = sum(int(allowed[name].sum()) if allowed is not None else scores[name].size for name in dense)
        survivors = data.draw(st.integers(least, most))
        kept = keep_largest(scores, survivors, dense, allowed)
        expected = sorted_choice(scores, survivors, dense, allowed)
        assert list(kept) == list(scores)
        assert count(kept) == survivors
        for name in scores:
            np.testing.assert_array_equal(kept[name], expected[name])

    def test_of_equal_scores_the_later_survive(self) -> None:
        kept = keep_largest({"z": np.array([1.0, 1.0]), "a": np.array([1.0, 0.5, 1.0])}, 2)
        np.testing.assert_array_equal(kept["z"], [False, False])
        np.testing.assert_array_equal(kept["a"], [True, False, True])

    def test_the_sign_counts(self) -> None:
        np.testing.assert_array_equal(keep_largest({"a": np.array([-9.0, 1.0])}, 1)["a"], [False, True])

    def test_the_given_masks_are_left_alone(self) -> None:
        masks = {"a": np.ones(4, bool)}
        keep_largest({"a": np.arange(4.0)}, 1, (), masks)
        assert masks["a"].all()

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_a_score_that_is_not_finite_is_refused_by_name(self, bad: float) -> None:
        with pytest.raises(ValueError, match=r"score of b is (NaN|infinite)"):
            keep_largest({"a": np.ones(2), "b": np.array([1.0, bad])}, 2)

    def test_what_is_not_compared_may_be_anything(self) -> None:
        scores = {"a": np.array([np.nan, 1.0]), "b": np.array([np.inf])}
        kept = keep_largest(scores, 2, ["b"], {"a": np.array([False, True]), "b": np.array([True])})
        np.testing.assert_array_equal(kept["a"], [False, True])

    @pytest.mark.parametrize("survivors", [-1, 2, 6])
    def test_an_impossible_count_is_refused(self, survivors: int) -> None:
        with pytest.raises(
            ValueError, match=f"{survivors} survivors asked for; between 3 and 5 are possible"
        ):
            keep_largest({"a": np.ones(2), "b": np.ones(3)}, survivors, ["b"])

    def test_only_dense_tensors_are_kept_as_they_are(self) -> None:
        assert keep_largest({"a": np.ones(2)}, 2, ["a", "a"])["a"].all()

    def test_an_unknown_dense_tensor_is_refused(self) -> None:
        with pytest.raises(ValueError, match="not among the prunable tensors: head"):
            keep_largest({"a": np.ones(2)}, 1, ["head"])

    @pytest.mark.parametrize(
        "masks", [{}, {"a": np.ones(3, bool)}, {"a": np.ones(2, bool), "b": np.ones(1, bool)}]
    )
    def test_misfitting_masks_are_refused(self, masks: Arrays) -> None:
        with pytest.raises(ValueError, match=r"(a|b) has a mask of .*, but its scores have"):
            keep_largest({"a": np.ones(2)}, 1, (), masks)
