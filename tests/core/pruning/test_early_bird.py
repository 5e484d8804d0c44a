from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.pruning.early_bird import channel_mask, distances, emptied, mask_distance, settled

Arrays = dict[str, np.ndarray]


@st.composite
def scales(draw: st.DrawFn) -> Arrays:
    """A few normalisations with many equal |γ|, in no alphabetical order."""
    names = draw(st.permutations(["a", "b", "c", "d"]))[: draw(st.integers(1, 4))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = draw(st.integers(1, 20))
    return {
        name: (rng.integers(-levels, levels + 1, draw(st.integers(1, 12))) / 8).astype(np.float32)
        for name in names
    }


def sorted_oracle(gammas: Arrays, hundredths: int, spared: set[str]) -> Arrays:
    """Sort every candidate by (|γ|, tensor, index), and drop the first ⌊share · all⌋."""
    candidates = sorted(
        (abs(float(value)), order, index, name)
        for order, (name, gamma) in enumerate(gammas.items())
        if name not in spared
        for index, value in enumerate(gamma)
    )
    kept = {name: np.ones(len(gamma), bool) for name, gamma in gammas.items()}
    for _, _, index, name in candidates[: hundredths * sum(map(len, gammas.values())) // 100]:
        kept[name][index] = False
    return kept


class TestChannelMask:
    @settings(max_examples=200)
    @given(scales(), st.integers(1, 99))
    def test_equals_a_sort(self, gammas: Arrays, hundredths: int) -> None:
        found, expected = channel_mask(gammas, hundredths / 100), sorted_oracle(gammas, hundredths, set())
        assert list(found) == list(gammas)
        assert all(np.array_equal(found[name], kept) for name, kept in expected.items())

    @settings(max_examples=100)
    @given(scales(), st.integers(1, 99))
    def test_spared_normalisations_count_and_stay(self, gammas: Arrays, hundredths: int) -> None:
        spared = {next(iter(gammas))}
        sizes = {name: len(gamma) for name, gamma in gammas.items()}
        if hundredths * sum(sizes.values()) // 100 > sum(sizes[name] for name in sizes.keys() - spared):
            with pytest.raises(ValueError, match="channels are to be pruned, but only"):
                channel_mask(gammas, hundredths / 100, spared)
            return
        found = channel_mask(gammas, hundredths / 100, spared)
        expected = sorted_oracle(gammas, hundredths, spared)
        assert all(np.array_equal(found[name], kept) for name, kept in expected.items())

    def test_ties_go_by_tensor_order_then_index(self) -> None:
        found = channel_mask({"z": np.float32([1, -1]), "a": np.float32([1, -1, 2])}, 0.6)
        assert found["z"].tolist() == [False, False]
        assert found["a"].tolist() == [False, True, True]

    def test_the_share_is_the_decimal_as_it_is_written(self) -> None:
        # In floats 0.29 · 100 is a little under 29.
        assert (~channel_mask({"a": np.arange(100, dtype=np.float32)}, 0.29)["a"]).sum() == 29

    def test_a_layer_may_be_emptied_and_is_named(self) -> None:
        mask = channel_mask({"a": np.float32([0, 0.1]), "b": np.float32([1, 2])}, 0.5)
        assert emptied(mask) == ["a"]
        assert emptied({"a": np.array([True, False])}) == []

    def test_nan_is_refused(self) -> None:
        with pytest.raises(ValueError, match="NaN"):
            channel_mask({"a": np.float32([1, np.nan])}, 0.5)


class TestMaskDistance:
    @given(scales(), st.integers(1, 99), st.integers(1, 99))
    def test_is_the_share_of_differing_channels(self, gammas: Arrays, one: int, other: int) -> None:
        left, right = (sorted_oracle(gammas, share, set()) for share in (one, other))
        pairs = [(a, b) for name in left for a, b in zip(left[name], right[name], strict=True)]
        assert mask_distance(left, right) == sum(a != b for a, b in pairs) / len(pairs)


def channel(*kept: int) -> Arrays:
    """A mask of ten channels in two tensors that keeps these."""
    flat = np.isin(np.arange(10), kept)
    return {"a": flat[:3], "b": flat[3:]}


class TestSettled:
    def test_needs_a_whole_window(self) -> None:
        history = [channel(1, 2)] * 3
        assert not settled(history, 4, 1.0)
        assert settled(history, 3, 1.0)

    def test_at_the_very_distance_they_do_not_agree(self) -> None:
        history = [channel(1, 2), channel(1, 2), channel(1, 3)]
        assert distances(history) == [0.0, 0.2]
        assert not settled(history, 2, 0.2)
        assert settled(history, 2, 0.21)

    def test_the_newest_is_held_against_every_other_of_the_window_and_none_before(self) -> None:
        history = [channel(), channel(1), channel(1, 2), channel(1, 2, 3)]
        assert settled(history, 2, 0.15)
        assert not settled(history, 3, 0.15)
        assert settled(history, 3, 0.25)

    def test_older_ones_need_not_agree_among_themselves(self) -> None:
        # 0.2 apart, each 0.1 from the newest.
        assert settled([channel(1), channel(2, 1, 3), channel(1, 2)], 3, 0.15)
