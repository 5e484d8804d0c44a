from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.elastic import width
from core.elastic.refusal import Reason, Refused
from core.elastic.width import carry_weight, gather, group_sizes, resized, surviving_weight

AXES = {
    "conv.weight": ("a", "", ""),
    "bn.weight": ("a",),
    "bn.count": (),
    "depthwise.weight": ("a", "", ""),
    "square.weight": ("a", "a"),
    "up.weight": ("b", "a"),
    "fc.weight": ("", "b"),
    "fc.bias": ("",),
}
MASKED = ("conv.weight", "depthwise.weight", "square.weight", "up.weight", "fc.weight")

widths = st.integers(1, 5)


def carry_width(weights: dict, masks: dict, axes: dict, shapes: dict, **noise: float) -> tuple[dict, dict]:
    """All tensors and all masks at once."""
    old = {name: array.shape for name, array in weights.items()}
    carried = list(width.carry_width(weights, masks, axes, old, shapes, **noise))
    return (
        {one.name: one.weight for one in carried},
        {one.name: one.mask for one in carried if one.mask is not None},
    )


def shapes(a: int, b: int) -> dict[str, tuple[int, ...]]:
    """A network of two groups: one is written and read by the same tensor, as in a residual stream."""
    size = {"a": a, "b": b}
    unscaled = {"conv.weight": (3, 2), "depthwise.weight": (1, 2), "fc.weight": (4,), "fc.bias": (4,)}
    result = {}
    for name, axes in AXES.items():
        rest = iter(unscaled.get(name, ()))
        result[name] = tuple(size[group] if group else next(rest) for group in axes)
    return result


def network(a: int, b: int, seed: int, dtype: type = np.float32) -> tuple[dict, dict]:
    """Weights that are small whole numbers, so that sums and their ties are exact, with zeros where pruned."""
    rng = np.random.default_rng(seed)
    weights = {name: rng.integers(-3, 4, shape).astype(dtype) for name, shape in shapes(a, b).items()}
    weights["bn.count"] = np.array(7, np.int64)
    masks = {name: rng.random(weights[name].shape) < 0.7 for name in MASKED}
    for name, mask in masks.items():
        weights[name][~mask] = 0
    return weights, masks


def expected_channels(group: str, n: int, m: int, weights: dict) -> list[int]:
    """Oracle: the channels of a group, by loops over single weights."""
    if m >= n:
        row = list(range(n))
        return list(itertools.islice(itertools.cycle(row), m))
    scores = [0] * n
    for name in MASKED:
        if AXES[name][0] == group:
            for index in np.ndindex(weights[name].shape):
                scores[index[0]] += abs(int(weights[name][index]))
    best = sorted(range(n), key=lambda channel: (-scores[channel], channel))[:m]
    return sorted(best)


def expected_width(weights: dict, masks: dict, old: tuple[int, int], new: tuple[int, int]) -> tuple:
    """Oracle: every value of the target fetched and divided on its own."""
    channels = {
        group: expected_channels(group, n, m, weights) for group, n, m in zip("ab", old, new, strict=True)
    }
    grown = {group for group, n, m in zip("ab", old, new, strict=True) if m > n}
    carried, carried_masks = {}, {}
    for name, shape in shapes(*new).items():
        carried[name] = np.zeros(shape, weights[name].dtype)
        if name in masks:
            carried_masks[name] = np.zeros(shape, bool)
        for index in np.ndindex(shape):
            origin = tuple(channels[g][i] if g else i for g, i in zip(AXES[name], index, strict=True))
            value = weights[name][origin]
            if name in masks:
                carried_masks[name][index] = masks[name][origin]
                for g, i in list(zip(AXES[name], origin, strict=True))[1:]:
                    if g in grown:
                        value = value / value.dtype.type(channels[g].count(i))
            carried[name][index] = value
    return carried, carried_masks


def assert_same_bits(got: dict, expected: dict) -> None:
    assert list(got) == list(expected)
    for name, array in expected.items():
        assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape), name
        assert got[name].tobytes() == array.tobytes(), name


class TestCarryWidth:
    @settings(deadline=None)
    @given(st.tuples(widths, widths), st.tuples(widths, widths), st.integers(0, 99), st.booleans())
    def test_equals_the_oracle_bit_for_bit(self, old, new, seed, double):
        weights, masks = network(*old, seed, np.float64 if double else np.float32)
        got = carry_width(weights, masks, AXES, shapes(*new))
        expected = expected_width(weights, masks, old, new)
        assert_same_bits(got[0], expected[0])
        assert_same_bits(got[1], expected[1])

    @given(widths, widths, st.integers(0, 99))
    def test_the_source_is_left_as_it_was(self, a, b, seed):
        weights, masks = network(a, b, seed)
        for array in (*weights.values(), *masks.values()):
            array.flags.writeable = False
        carry_width(weights, masks, AXES, shapes(a + 2, b + 1), noise=0.5, seed=seed)

    def test_what_does_not_change_is_the_very_array(self):
        weights, masks = network(3, 2, 0)
        carried, carried_masks = carry_width(weights, masks, AXES, shapes(3, 2))
        assert all(carried[name] is weights[name] for name in weights)
        assert all(carried_masks[name] is masks[name] for name in masks)

    def test_tensors_left_out_of_the_target_are_left_out(self):
        weights, masks = network(3, 2, 0)
        wanted = {name: shape for name, shape in shapes(4, 3).items() if not name.startswith("fc.")}
        carried, carried_masks = carry_width(weights, masks, AXES, wanted)
        assert carried.keys() == wanted.keys()
        assert carried_masks.keys() == wanted.keys() & set(MASKED)

    def test_another_number_of_classes_is_refused(self):
        weights, masks = network(3, 2, 0)
        wanted = shapes(4, 3) | {"fc.weight": (5, 3)}
        with pytest.raises(Refused, match=r"^fc.weight has shape \[4, 3\].* needs \[5, 3\]") as refusal:
            carry_width(weights, masks, AXES, wanted)
        assert refusal.value.reason is Reason.SHAPES_DIFFER

    def test_another_width_is_refused_where_the_wiring_is_not_known(self):
        weights, masks = network(3, 2, 0)
        unknown = dict.fromkeys(AXES, ())
        carry_width(weights, masks, unknown, shapes(3, 2))
        with pytest.raises(Refused, match=r"^conv.weight has shape \[3, 3, 2\]"):
            carry_width(weights, masks, unknown, shapes(4, 2))

    @pytest.mark.parametrize("noise", [-0.1, float("inf"), float("nan")])
    def test_noise_that_is_no_scale_is_refused(self, noise):
        weights, masks = network(2, 2, 0)
        with pytest.raises(ValueError, match=r"^noise is"):
            carry_width(weights, masks, AXES, shapes(3, 3), noise=noise)


class TestNoise:
    @given(widths, widths, st.integers(0, 99))
    def test_only_surviving_weights_that_write_a_second_copy_change(self, a, b, seed):
        weights, masks = network(a, b, seed)
        plain, plain_masks = carry_width(weights, masks, AXES, shapes(2 * a + 1, b))
        noisy, noisy_masks = carry_width(weights, masks, AXES, shapes(2 * a + 1, b), noise=9.0, seed=seed)
        assert_same_bits(noisy_masks, plain_masks)
        for name in plain:
            changed = noisy[name] != plain[name]
            if name in MASKED and AXES[name][0] == "a":
                assert not changed[:a].any()
                assert (changed[a:] == (plain[name][a:] != 0)).all()
                assert noisy[name][~noisy_masks[name]].tobytes() == bytes(4 * (~noisy_masks[name]).sum())
            else:
                assert not changed.any()

    def test_it_is_relative_and_normal(self):
        weights = {"conv.weight": np.full((2, 5000), 3.0)}
        masks = {"conv.weight": np.ones((2, 5000), bool)}
        axes = {"conv.weight": ("a", "")}
        carried, _ = carry_width(weights, masks, axes, {"conv.weight": (4, 5000)}, noise=0.01, seed=1)
        drawn = (carried["conv.weight"][2:] / 3 - 1) / 0.01
        assert abs(drawn.mean()) < 0.05
        assert abs(drawn.std() - 1) < 0.05

    def test_twins_part(self):
        weights, masks = network(1, 1, 0)
        weights["conv.weight"][:], masks["conv.weight"][:] = 1, True
        carried, _ = carry_width(weights, masks, AXES, shapes(3, 1), noise=0.01)
        first, second, third = carried["conv.weight"]
        assert (first != second).all()
        assert (second != third).all()

    def test_seed_and_name_decide_it(self):
        weights = {name: np.ones((2, 3), np.float32) for name in ("one", "two")}
        masks = {name: np.ones((2, 3), bool) for name in weights}
        axes, wanted = dict.fromkeys(weights, ("a", "")), dict.fromkeys(weights, (4, 3))

        def drawn(seed: int, names: tuple[str, ...] = ("one", "two")) -> dict[str, np.ndarray]:
            part = {name: wanted[name] for name in names}
            return carry_width(weights, masks, axes, part, noise=0.1, seed=seed)[0]

        assert_same_bits(drawn(5), drawn(5))
        assert drawn(5)["two"].tobytes() == drawn(5, ("two",))["two"].tobytes()
        assert drawn(5)["one"].tobytes() != drawn(5)["two"].tobytes()
        assert drawn(5)["one"].tobytes() != drawn(6)["one"].tobytes()


class TestThereAndBack:
    """Widening repeats every channel in turn, so that squeezing finds the first n again where no score differs."""

    @staticmethod
    def level(a: int, b: int, seed: int) -> tuple[dict, dict]:
        """A network whose channels all score the same: dense, every weight ±1."""
        weights, masks = network(a, b, seed)
        for name in MASKED:
            masks[name][:] = True
            weights[name] = np.where(weights[name] < 0, -1, 1).astype(np.float32)
        return weights, masks

    @given(st.tuples(widths, widths), st.tuples(st.integers(0, 5), st.integers(0, 5)), st.integers(0, 99))
    def test_masks_and_what_reads_no_grown_group_come_back_bit_for_bit(self, old, more, seed):
        # Readers differ: they were divided by the copies, and nothing is rescaled on the way back. `square`
        # reads what it writes, so its rows stay level too.
        weights, masks = self.level(*old, seed)
        wide = carry_width(weights, masks, AXES, shapes(*(n + k for n, k in zip(old, more, strict=True))))
        back, back_masks = carry_width(*wide, AXES, shapes(*old))
        assert_same_bits(back_masks, masks)
        grown = {group for group, k in zip("ab", more, strict=True) if k}
        for name in weights:
            if not grown & set(AXES[name][1:]):
                assert back[name].tobytes() == weights[name].tobytes(), name

    @given(st.tuples(widths, widths), st.integers(0, 99))
    def test_doubled_readers_come_back_as_exact_halves(self, old, seed):
        weights, masks = self.level(*old, seed)
        wide = carry_width(weights, masks, AXES, shapes(2 * old[0], 2 * old[1]))
        back, _ = carry_width(*wide, AXES, shapes(*old))
        for name in ("square.weight", "up.weight", "fc.weight"):
            assert (2 * back[name]).tobytes() == weights[name].tobytes()


class TestGroupSizes:
    @given(widths, widths)
    def test_counts_each_group(self, a, b):
        assert group_sizes(shapes(a, b), AXES) == {"a": a, "b": b}

    def test_sizes_that_differ_are_refused_naming_the_tensor(self):
        with pytest.raises(Refused, match=r"^up.weight has 3 channels of a, and another tensor 2") as refusal:
            group_sizes(shapes(2, 4) | {"up.weight": (4, 3)}, AXES)
        assert refusal.value.reason is Reason.WIDTHS_DIFFER

    def test_axes_that_do_not_fit_a_shape_are_refused_naming_the_tensor(self):
        with pytest.raises(Refused, match=r"^fc.bias has 2 dimensions and names 1 axes") as refusal:
            group_sizes(shapes(2, 4) | {"fc.bias": (4, 1)}, AXES)
        assert refusal.value.reason is Reason.AXES_DIFFER


class TestResized:
    def test_a_group_left_out_keeps_its_size(self):
        weights, masks = network(3, 2, 0)
        channels = resized({"a": 3, "b": 2}, {"b": 5}, weights, AXES, masks)
        assert {group: list(sources) for group, sources in channels.items()} == {
            "a": [0, 1, 2],
            "b": [0, 1, 0, 1, 0],
        }

    def test_the_first_of_equal_channels_is_kept(self):
        row = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
        weights = {"w": np.stack([row / 2, row, row, row, row])}
        for m in range(1, 5):
            channels = resized({"a": 5}, {"a": m}, weights, {"w": ("a", "")}, {"w"})
            assert list(channels["a"]) == list(range(1, m + 1))


class TestSurvivingWeight:
    def test_writers_are_summed_in_magnitude(self):
        weights = {"u": np.array([[1.0, -2.0], [0.5, 0.0]]), "v": np.array([[3.0], [-4.0]])}
        scores = surviving_weight("a", 2, weights, {"u": ("a", "b"), "v": ("a", "")}, {"u", "v"})
        assert list(scores) == [6.0, 4.5]

    def test_readers_count_only_where_nothing_prunable_writes(self):
        weights = {"bias": np.array([9.0, 9.0]), "r": np.array([[1.0, -2.0], [0.5, 0.0]])}
        axes = {"bias": ("a",), "r": ("", "a")}
        assert list(surviving_weight("a", 2, weights, axes, {"r"})) == [1.5, 2.0]
        weights["w"], axes["w"] = np.array([[5.0], [6.0]]), ("a", "")
        assert list(surviving_weight("a", 2, weights, axes, {"r", "w"})) == [5.0, 6.0]

    def test_sums_are_taken_in_double_precision(self):
        weights = {"w": np.array([[2.0**24, 1.0, 1.0]], np.float32)}
        assert surviving_weight("a", 1, weights, {"w": ("a", "")}, {"w"})[0] == 2**24 + 2


class TestGather:
    def test_follows_every_axis(self):
        mask = np.array([[True, False], [False, False]])
        got = gather(mask, ("a", "b"), {"a": np.array([1, 0, 0]), "b": np.array([0, 1])})
        assert got.tolist() == [[False, False], [True, False], [True, False]]


class TestCarryWeight:
    def test_a_depthwise_convolution_is_not_rescaled(self):
        weight = np.arange(6.0).reshape(2, 1, 3)
        got = carry_weight(weight, ("a", "", ""), {"a": np.array([0, 1, 0])})
        assert got.tolist() == weight[[0, 1, 0]].tolist()

    def test_readers_are_divided_by_the_copies_of_their_source(self):
        got = carry_weight(np.array([[6.0, 5.0]]), ("", "a"), {"a": np.array([0, 1, 0])})
        assert got.tolist() == [[3.0, 5.0, 3.0]]
