from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.elastic.refusal import Reason, Refused
from core.elastic.unit_map import STRETCHES, Order, named_map

counts = st.integers(1, 40)


def by_hand(order: Order, n: int, m: int, chosen: list[int]) -> list[int]:
    """Oracle: hand out the m − n extra copies one by one, then write the row."""
    if order is Order.APPEND:
        row, extra = list(range(n)), []
        while len(row) + len(extra) < m:
            extra.append(chosen[len(extra) % len(chosen)])
        return row + extra
    places = m - n + len(chosen)
    # Number k of the chosen owns the places from k·places/|S| on, up to the next one's.
    owner = [max(k for k in range(len(chosen)) if k * places <= j * len(chosen)) for j in range(places)]
    row = []
    for unit in range(n):
        row += [unit] * (owner.count(chosen.index(unit)) if unit in chosen else 1)
    return row


class TestReplicate:
    @given(st.integers(1, 8), st.integers(1, 12), st.sampled_from(STRETCHES), st.data())
    def test_only_the_chosen_are_replicated(self, drawn, n, more, order, data):
        chosen = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=n, unique=True))
        replicate = {"s0": [unit + 1 for unit in chosen]}
        (origins,) = named_map(order, drawn("F" + "u" * n), drawn("F" + "u" * (n + more)), replicate)
        row = [origin - 1 for origin in origins[1:]]
        assert row == by_hand(order, n, n + more, chosen)
        assert set(row) == set(range(n))
        assert {unit for unit in row if row.count(unit) > 1} <= set(chosen)

    @given(counts, counts, st.sampled_from(STRETCHES))
    def test_choosing_every_unit_is_the_plain_order(self, drawn, n, more, order):
        source, target = drawn("F" + "u" * n), drawn("F" + "u" * (n + more))
        everything = {"s0": range(1, n + 1)}
        assert named_map(order, source, target, everything) == named_map(order, source, target)

    def test_the_orders_by_hand(self, drawn):
        source, target = drawn("FuuuF"), drawn("FuuuuuuF")
        assert named_map(Order.APPEND, source, target, {"s0": [3, 1]}) == ((0, 1, 2, 3, 3, 1, 3, 4),)
        assert named_map(Order.INTERPOLATE, source, target, {"s0": [3, 1]}) == ((0, 1, 1, 2, 3, 3, 3, 4),)

    def test_other_stages_are_stretched_as_ever(self, drawn):
        unit_map = named_map(Order.APPEND, drawn("Fuu Fuu"), drawn("Fuuu Fuuu"), {"s1": [2]})
        assert unit_map == ((0, 1, 2, 1), (0, 1, 2, 2))

    @pytest.mark.parametrize(
        ("target", "replicate", "reason", "unit"),
        [
            ("FuuF", [1], Reason.NOT_STRETCHED, None),
            ("FuF", [1], Reason.NOT_STRETCHED, None),
            ("FuuuF", [], Reason.NOTHING_CHOSEN, None),
            ("FuuuF", [1, 2, 1], Reason.CHOSEN_TWICE, 1),
            ("FuuuF", [1, 0], Reason.CHOSEN_FIXED, 0),
            ("FuuuF", [3], Reason.CHOSEN_FIXED, 3),
            ("FuuuF", [4], Reason.CHOSEN_ABSENT, 4),
            ("FuuuF", [-1], Reason.CHOSEN_ABSENT, -1),
        ],
    )
    def test_a_choice_that_is_not_sound_is_refused(self, drawn, target, replicate, reason, unit):
        with pytest.raises(Refused, match=r"^stage s0") as refusal:
            named_map(None, drawn("FuuF"), drawn(target), {"s0": replicate})
        assert (refusal.value.reason, refusal.value.stage, refusal.value.unit) == (reason, "s0", unit)

    def test_the_refusal_says_what_may_be_chosen(self, drawn):
        with pytest.raises(Refused, match=r"choose among the units 1 to 2$"):
            named_map(None, drawn("FuuF"), drawn("FuuuF"), {"s0": [3]})
