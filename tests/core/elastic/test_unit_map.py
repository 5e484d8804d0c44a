from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.elastic.refusal import Reason, Refused
from core.elastic.unit_map import (
    LONGEST_TEXT,
    SQUEEZES,
    STRETCHES,
    Order,
    compose,
    format_map,
    named_map,
    parse_map,
    validate,
)

counts = st.integers(1, 40)


def stage_of(drawn, units: int):
    return drawn("F" + "u" * units)


def units_only(origins: tuple[int, ...]) -> list[int]:
    """Source units, counted without the head entry."""
    assert origins[0] == 0
    return [origin - 1 for origin in origins[1:]]


class TestStretch:
    @given(counts, counts)
    def test_append_repeats_the_whole_row_of_units(self, drawn, n, more):
        row = list(range(n))
        repeated = row * (more + 1)
        (origins,) = named_map(Order.APPEND, stage_of(drawn, n), stage_of(drawn, n + more))
        assert units_only(origins) == repeated[: n + more]

    @given(counts, counts)
    def test_interpolate_keeps_copies_together_and_even(self, drawn, n, more):
        m = n + more
        (origins,) = named_map(Order.INTERPOLATE, stage_of(drawn, n), stage_of(drawn, m))
        # Unit i owns the target positions from i·m/n on, up to the next unit's: found by comparing fractions.
        expected = [max(i for i in range(n) if i * m <= j * n) for j in range(m)]
        assert units_only(origins) == expected

    def test_doubling_as_in_the_paper(self, drawn):
        two, four = stage_of(drawn, 2), stage_of(drawn, 4)
        assert named_map(Order.APPEND, two, four) == ((0, 1, 2, 1, 2),)
        assert named_map(Order.INTERPOLATE, two, four) == ((0, 1, 1, 2, 2),)

    @given(counts, counts, st.sampled_from(STRETCHES))
    def test_fixed_entries_are_never_replicated(self, drawn, n, more, order):
        (origins,) = named_map(order, drawn(f"FF{'u' * n}F"), drawn(f"FF{'u' * (n + more)}F"))
        assert origins[:2] == (0, 1)
        assert origins[-1] == n + 2
        assert set(origins[2:-1]) == set(range(2, n + 2))

    @pytest.mark.parametrize("order", Order)
    def test_nothing_to_replicate_is_refused(self, drawn, order):
        with pytest.raises(Refused, match=r"stage s1, unit 1: .*2 units") as refusal:
            named_map(order, drawn("Fu F"), drawn("Fu Fuu"))
        assert (refusal.value.reason, refusal.value.stage) == (Reason.NOTHING_TO_REPLICATE, "s1")

    @pytest.mark.parametrize("order", SQUEEZES)
    def test_an_order_that_squeezes_is_refused(self, drawn, order):
        with pytest.raises(Refused, match=r"stage s0: .*use append, interpolate or") as refusal:
            named_map(order, drawn("Fu"), drawn("Fuu"))
        assert refusal.value.reason is Reason.WRONG_ORDER


class TestSqueeze:
    @given(counts, counts)
    def test_drop_last_keeps_the_first(self, drawn, m, more):
        (origins,) = named_map(Order.DROP_LAST, stage_of(drawn, m + more), stage_of(drawn, m))
        assert units_only(origins) == list(range(m + more))[:m]

    @given(counts, counts)
    def test_drop_first_keeps_the_last(self, drawn, m, more):
        (origins,) = named_map(Order.DROP_FIRST, stage_of(drawn, m + more), stage_of(drawn, m))
        assert units_only(origins) == list(range(m + more))[-m:]

    @given(counts, counts)
    def test_drop_even_spreads_over_the_row(self, drawn, m, more):
        n = m + more
        (origins,) = named_map(Order.DROP_EVEN, stage_of(drawn, n), stage_of(drawn, m))
        expected = [max(i for i in range(n) if i * m <= j * n) for j in range(m)]
        assert units_only(origins) == expected
        assert len(set(expected)) == m

    @pytest.mark.parametrize("order", SQUEEZES)
    def test_all_units_may_go(self, drawn, order):
        assert named_map(order, drawn("FuuF"), drawn("FF")) == ((0, 3),)

    @pytest.mark.parametrize("order", STRETCHES)
    def test_an_order_that_stretches_is_refused(self, drawn, order):
        with pytest.raises(Refused, match=r"stage s0: .*use drop_last, drop_first, drop_even") as refusal:
            named_map(order, drawn("Fuu"), drawn("Fu"))
        assert refusal.value.reason is Reason.WRONG_ORDER

    @pytest.mark.parametrize("order", Order)
    def test_one_order_cannot_stretch_one_stage_and_squeeze_another(self, drawn, order):
        with pytest.raises(Refused) as refusal:
            named_map(order, drawn("Fu Fuu"), drawn("Fuu Fu"))
        assert refusal.value.reason is Reason.WRONG_ORDER
        assert refusal.value.stage == ("s1" if order in STRETCHES else "s0")


class TestSameDepth:
    @given(st.integers(0, 40), st.sampled_from(Order))
    def test_every_order_is_the_identity(self, drawn, n, order):
        anatomy = drawn(f"F{'u' * n}F")
        assert named_map(order, anatomy, anatomy) == (tuple(range(n + 2)),)


class TestOrders:
    @given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=4), st.data())
    def test_each_stage_equals_the_stage_alone_under_its_own_order(self, drawn, counted, data):
        source = drawn(" ".join(f"F{'u' * n}" for n, _ in counted))
        target = drawn(" ".join(f"F{'u' * m}" for _, m in counted))
        orders = {
            f"s{i}": data.draw(st.sampled_from(STRETCHES if n < m else SQUEEZES if n > m else list(Order)))
            for i, (n, m) in enumerate(counted)
            if data.draw(st.booleans())
        }
        expected = ()
        for i, (n, m) in enumerate(counted):
            natural = Order.APPEND if n < m else Order.DROP_LAST
            expected += named_map(orders.get(f"s{i}", natural), stage_of(drawn, n), stage_of(drawn, m))
        assert named_map(orders, source, target) == expected

    def test_no_order_stretches_by_append_and_squeezes_from_the_end(self, drawn):
        unit_map = named_map(None, drawn("Fuu Fuuu Fuu"), drawn("Fuuuu Fu Fuu"))
        assert unit_map == ((0, 1, 2, 1, 2), (0, 1), (0, 1, 2))

    @pytest.mark.parametrize("order", STRETCHES)
    def test_one_order_leaves_stages_of_equal_length_alone(self, drawn, order):
        (first, second) = named_map(order, drawn("Fuu Fu"), drawn("Fuu Fuu"))
        assert (first, second) == ((0, 1, 2), (0, 1, 1))

    def test_a_stage_of_equal_length_is_the_identity_under_its_own_order_too(self, drawn):
        assert named_map({"s0": Order.DROP_FIRST}, drawn("Fuu"), drawn("Fuu")) == ((0, 1, 2),)

    def test_an_order_that_does_not_fit_its_stage_is_refused(self, drawn):
        with pytest.raises(Refused, match=r"^stage s1: drop_last .*use append, interpolate") as refusal:
            named_map({"s1": Order.DROP_LAST}, drawn("Fuu Fu"), drawn("Fu Fuu"))
        assert (refusal.value.reason, refusal.value.stage) == (Reason.WRONG_ORDER, "s1")

    @pytest.mark.parametrize("given", [{"order": {"s2": Order.APPEND}}, {"replicate": {"s2": [1]}}])
    def test_an_unknown_stage_is_refused_naming_those_there_are(self, drawn, given):
        with pytest.raises(Refused, match=r"no stage 's2'; the stages are s0, s1") as refusal:
            named_map(given.get("order"), drawn("Fu Fu"), drawn("Fu Fuu"), given.get("replicate"))
        assert refusal.value.reason is Reason.UNKNOWN_STAGE


class TestCompose:
    @given(st.data())
    def test_each_target_entry_is_followed_back_through_both(self, data):
        a, b, c = (data.draw(st.integers(1, 6)) for _ in range(3))
        inner = data.draw(st.lists(st.integers(0, a - 1), min_size=b, max_size=b))
        outer = data.draw(st.lists(st.integers(0, b - 1), min_size=c, max_size=c))
        values = [f"unit {i}" for i in range(a)]
        between = [values[i] for i in inner]
        (got,) = compose((tuple(inner),), (tuple(outer),))
        assert [values[i] for i in got] == [between[j] for j in outer]

    @pytest.mark.parametrize(
        ("stretch", "squeeze", "always"),
        [
            (Order.APPEND, Order.DROP_LAST, True),
            (Order.APPEND, Order.DROP_FIRST, False),
            (Order.INTERPOLATE, Order.DROP_EVEN, False),
        ],
    )
    @given(n=st.integers(1, 8), more=st.integers(1, 24))
    def test_a_squeeze_undoes_a_stretch_always_or_by_whole_factors(
        self, drawn, stretch, squeeze, always, n, more
    ):
        small, large = stage_of(drawn, n), stage_of(drawn, n + more)
        back = compose(named_map(stretch, small, large), named_map(squeeze, large, small))
        assert (back == (tuple(range(n + 1)),)) == (always or more % n == 0)

    def test_a_stage_without_entries_stays_without(self):
        assert compose(((0, 1), ()), ((1,), ())) == ((1,), ())

    def test_maps_with_other_stages_are_refused(self):
        with pytest.raises(Refused, match=r"first map has 1 stages and the second 2") as refusal:
            compose(((0,),), ((0,), (0,)))
        assert refusal.value.reason is Reason.STAGES_DIFFER

    @pytest.mark.parametrize("origin", [2, -1])
    def test_an_entry_that_the_first_map_does_not_lead_to_is_refused(self, origin):
        with pytest.raises(Refused, match=rf"^stage 2 of 2: .*entry 1 from entry {origin}") as refusal:
            compose(((0,), (0, 1)), ((0,), (0, origin)))
        assert refusal.value.reason is Reason.UNKNOWN_SOURCE


class TestValidate:
    @pytest.mark.parametrize(
        ("source", "target", "unit_map", "reason", "stage", "unit"),
        [
            ("Fu Fu", "Fu Fuu", ((0, 1), (0, 1)), Reason.UNMAPPED_TARGET, "s1", 2),
            ("Fu Fu", "Fu Fu", ((0, 1), (0, 1, 1)), Reason.UNKNOWN_TARGET, "s1", 2),
            ("Fu Fu", "Fu Fu", ((0, 1), (0, 2)), Reason.UNKNOWN_SOURCE, "s1", 1),
            ("Fu Fu", "Fu Fu", ((0, -1), (0, 1)), Reason.UNKNOWN_SOURCE, "s0", 1),
            ("Fu Fu", "Fu Fu", ((0, 1), (0, 0)), Reason.FIXED_REPLICATED, "s1", 0),
            ("FuF", "FuuF", ((0, 1, 2, 2),), Reason.FIXED_REPLICATED, "s0", 2),
            ("Fu Fu", "Fu Fu", ((0, 1), (1, 1)), Reason.FIXED_DROPPED, "s1", 0),
            ("FuF", "FuuF", ((0, 1, 1, 1),), Reason.FIXED_DROPPED, "s0", 2),
            ("Fu Fu", "Fu Fu", ((0, 1), (1, 0)), Reason.FIXED_MOVED, "s1", 0),
            ("FuF", "FuuF", ((0, 1, 2, 1),), Reason.FIXED_MOVED, "s0", 2),
            ("FuF", "FuF", ((2, 1, 0),), Reason.FIXED_MOVED, "s0", 0),
        ],
    )
    def test_refusal_names_stage_and_unit(self, drawn, source, target, unit_map, reason, stage, unit):
        with pytest.raises(Refused, match=rf"^stage {stage}, unit {unit}: ") as refusal:
            validate(unit_map, drawn(source), drawn(target))
        assert (refusal.value.reason, refusal.value.stage, refusal.value.unit) == (reason, stage, unit)

    def test_the_message_says_where_a_fixed_entry_belongs(self, drawn):
        with pytest.raises(Refused, match=r"target entries 2 and 3; map it to target entry 3"):
            validate(((0, 1, 2, 2),), drawn("FuF"), drawn("FuuF"))

    def test_units_may_be_dropped_and_permuted(self, drawn):
        validate(((0, 3, 1),), drawn("Fuuu"), drawn("Fuu"))

    @pytest.mark.parametrize("unit_map", [(), ((0, 1),), ((0, 1),) * 3])
    def test_a_map_needs_as_many_stages_as_the_networks(self, drawn, unit_map):
        with pytest.raises(Refused, match=rf"{len(unit_map)} stages and the networks have 2") as refusal:
            validate(unit_map, drawn("Fu Fu"), drawn("Fu Fu"))
        assert refusal.value.reason is Reason.STAGES_DIFFER

    def test_networks_need_the_same_stages(self, drawn):
        with pytest.raises(Refused, match=r"s0, s1") as refusal:
            validate(((0, 1),), drawn("Fu Fu"), drawn("Fu"))
        assert refusal.value.reason is Reason.STAGES_DIFFER

    def test_stages_need_as_many_fixed_entries(self, drawn):
        with pytest.raises(Refused, match=r"^stage s1: .*1 fixed entries and the target 2") as refusal:
            validate(((0, 1), (0, 1)), drawn("Fu Fu"), drawn("Fu FF"))
        assert refusal.value.reason is Reason.FIXED_DIFFER

    @given(st.data())
    def test_agrees_with_a_matrix_of_the_map(self, drawn, data):
        head, tail = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))
        n, m = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
        origins = data.draw(
            st.lists(st.integers(0, head + n + tail - 1), min_size=1, max_size=head + m + tail + 1)
        )
        fixed = {k: k for k in range(head)} | {head + m + k: head + n + k for k in range(tail)}
        valid = len(origins) == head + m + tail and all(
            (fixed[j] == origin) if j in fixed else (head <= origin < head + n)
            for j, origin in enumerate(origins)
        )
        source, target = (drawn("F" * head + "u" * units + "F" * tail) for units in (n, m))
        try:
            validate((tuple(origins),), source, target)
        except Refused:
            assert not valid
        else:
            assert valid


class TestParse:
    def test_the_reference_example_of_an_mlp(self, drawn):
        assert parse_map("0:0;1:1,2;2:3", drawn("FuF"), drawn("FuuF")) == ((0, 1, 1, 2),)

    def test_one_map_serves_every_stage(self, drawn):
        source, target = drawn("Fuu Fuu Fuu"), drawn("Fuuuu Fuuuu Fuuuu")
        assert parse_map("0:0;1:1,2;2:3,4", source, target) == ((0, 1, 1, 2, 2),) * 3

    def test_stages_are_joined_by_a_bar(self, drawn):
        assert parse_map("0:0;1:1|0:0;2:1", drawn("Fuu Fuu"), drawn("Fu Fu")) == ((0, 1), (0, 2))

    def test_spaces_and_the_order_of_groups_do_not_matter(self, drawn):
        text = " 2 : 3 ;\n1:2 , 1; 0:0 "
        assert parse_map(text, drawn("FuF"), drawn("FuuF")) == ((0, 1, 1, 2),)

    def test_a_source_may_be_named_again(self, drawn):
        assert parse_map("0:0;1:1;1:2", drawn("Fu"), drawn("Fuu")) == ((0, 1, 1),)

    @pytest.mark.parametrize(
        ("text", "reason", "unit"),
        [
            ("", Reason.BAD_SYNTAX, None),
            ("0:0;", Reason.BAD_SYNTAX, None),
            ("0:0;1", Reason.BAD_SYNTAX, None),
            ("0:0;1:", Reason.BAD_SYNTAX, None),
            ("0:0;1:1,", Reason.BAD_SYNTAX, None),
            ("0:0;1:1:2", Reason.BAD_SYNTAX, None),
            ("0:0;-1:1,2", Reason.BAD_SYNTAX, None),
            ("0:0;1:+1,2", Reason.BAD_SYNTAX, None),
            ("0:0;1:1 2", Reason.BAD_SYNTAX, None),
            ("0:0;1:1_0", Reason.BAD_SYNTAX, None),
            ("0:0;1:１,2", Reason.BAD_SYNTAX, None),
            ("0:0;1:²", Reason.BAD_SYNTAX, None),
            ("0:0;1:\0", Reason.BAD_SYNTAX, None),
            (f"0:0;{'9' * 5000}:1,2", Reason.BAD_SYNTAX, None),
            ("0:0;999999999:1,2", Reason.UNKNOWN_SOURCE, 1),
            ("0:0;1:1,2,999999999", Reason.UNKNOWN_TARGET, 999_999_999),
            ("0:0;1:1,1,2", Reason.MAPPED_TWICE, 1),
            ("0:0;1:1,2;0:2", Reason.MAPPED_TWICE, 2),
            ("0:0;1:2", Reason.UNMAPPED_TARGET, 1),
            ("1:1,2", Reason.UNMAPPED_TARGET, 0),
            ("0:0,1;1:2", Reason.FIXED_REPLICATED, 0),
            ("1:0,1,2", Reason.FIXED_DROPPED, 0),
            ("0:1;1:0,2", Reason.FIXED_MOVED, 0),
        ],
    )
    def test_refusal_names_stage_and_unit(self, drawn, text, reason, unit):
        with pytest.raises(Refused, match=r"^stage s0") as refusal:
            parse_map(text, drawn("Fu"), drawn("Fuu"))
        assert (refusal.value.reason, refusal.value.stage, refusal.value.unit) == (reason, "s0", unit)
        assert len(str(refusal.value)) < 200

    @pytest.mark.parametrize("text", ["|", "0:0|0:0", "0:0|0:0|0:0|0:0", "0:0|" * 3])
    def test_the_number_of_stages_must_fit(self, drawn, text):
        with pytest.raises(Refused) as refusal:
            parse_map(text, drawn("F F F"), drawn("F F F"))
        assert refusal.value.reason is Reason.STAGES_DIFFER

    def test_the_offending_stage_is_named(self, drawn):
        with pytest.raises(Refused, match=r"^stage s1, unit 1: ") as refusal:
            parse_map("0:0;1:1|0:0", drawn("Fu Fu"), drawn("Fu Fu"))
        assert refusal.value.stage == "s1"

    def test_long_text_is_refused_unread(self, drawn):
        with pytest.raises(Refused, match=r"characters") as refusal:
            parse_map("0:0;" * LONGEST_TEXT, drawn("Fu"), drawn("Fu"))
        assert refusal.value.reason is Reason.BAD_SYNTAX

    @given(st.text(alphabet="0123:;,| -x", max_size=30))
    def test_any_text_is_either_a_valid_map_or_refused(self, drawn, text):
        source, target = drawn("Fu Fu"), drawn("Fuu Fu")
        try:
            unit_map = parse_map(text, source, target)
        except Refused:
            return
        validate(unit_map, source, target)

    @pytest.mark.parametrize("text", ["0:0;1:1", "0:0;1:1|0:0;1:1"])
    def test_a_stage_without_target_entries_is_not_written(self, drawn, text):
        assert parse_map(text, drawn("Fu uu Fu"), drawn("Fu - Fu")) == ((0, 1), (), (0, 1))

    def test_a_text_for_a_stage_without_target_entries_is_refused(self, drawn):
        with pytest.raises(Refused, match=r"3 stages; give 2") as refusal:
            parse_map("0:0;1:1|0:0|0:0;1:1", drawn("Fu uu Fu"), drawn("Fu - Fu"))
        assert refusal.value.reason is Reason.STAGES_DIFFER

    def test_no_text_maps_a_network_without_entries(self, drawn):
        assert parse_map("", drawn("uu"), drawn("-")) == ((),)
        with pytest.raises(Refused, match=r"1 stages; give 0"):
            parse_map("0:0", drawn("uu"), drawn("-"))


class TestFormat:
    def test_groups_by_source(self):
        assert format_map(((0, 1, 1, 2),)) == "0:0;1:1,2;2:3"
        assert format_map(((0, 2, 1), (0, 1, 1))) == "0:0;1:2;2:1|0:0;1:1,2"

    def test_a_stage_without_target_entries_is_not_written(self):
        assert format_map(((), (0, 1), (), (0,))) == "0:0;1:1|0:0"
        assert format_map(((),)) == ""

    @given(st.data())
    def test_parse_is_its_inverse(self, drawn, data):
        heads = st.integers(0, 1)
        stages = data.draw(st.lists(st.tuples(heads, st.integers(1, 12), st.integers(0, 12)), max_size=4))
        source = drawn(" ".join("F" * head + "u" * n + "F" * head for head, n, _ in stages))
        target = drawn(" ".join("F" * head + "u" * m + "F" * head or "-" for head, _, m in stages))
        unit_map = tuple(
            (
                *range(head),
                *data.draw(st.lists(st.integers(head, head + n - 1), min_size=m, max_size=m)),
                *range(head + n, head + n + head),
            )
            for head, n, m in stages
        )
        assert parse_map(format_map(unit_map), source, target) == unit_map


class TestRefused:
    def test_survives_a_process_boundary(self):
        refusal = pickle.loads(pickle.dumps(Refused(Reason.MAPPED_TWICE, "why", "s0", 3)))  # noqa: S301 - its own bytes
        assert (refusal.reason, refusal.stage, refusal.unit) == (Reason.MAPPED_TWICE, "s0", 3)
        assert str(refusal) == "stage s0, unit 3: why"
