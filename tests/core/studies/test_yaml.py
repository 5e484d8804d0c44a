"""YAML beside the JSON that it stands for, and everything that it may not say."""

import json
import time
from itertools import pairwise

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from core.studies.yaml import DEEPEST, BadYaml, loads

KEYS = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | KEYS
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
BOMB = "a: &a [x, x, x]\n" + "\n".join(f"{b}: &{b} [*{a}, *{a}, *{a}]" for a, b in pairwise("abcdefghi"))


class TestLoads:
    @given(VALUES)
    def test_json_is_read_as_json(self, value: object) -> None:
        assert loads(json.dumps(value).encode()) == value

    @given(VALUES)
    def test_what_another_writer_writes_in_blocks_is_read_as_it_was(self, value: object) -> None:
        text = pyyaml.safe_dump(value, default_style='"')
        quoted = json.loads(json.dumps(value), parse_int=str, parse_float=str)
        if "!!" not in text:
            assert loads(text.encode()) == quoted

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("a: no\nb: on\nc: y", {"a": "no", "b": "on", "c": "y"}),
            ("[1e-3, .5, +7, 007, 1_000, 1:30, 0x10]", [0.001, 0.5, 7, 7, "1_000", "1:30", "0x10"]),
            ("[2026-01-01, '1', \"~\", ~, True, FALSE]", ["2026-01-01", "1", "~", None, True, False]),
            ("a: |\n  b\n  c\n", {"a": "b\nc\n"}),
            ("", None),
            ("# nothing\n", None),
            ("- a\n- b: [c]", ["a", {"b": ["c"]}]),
            ("%YAML 1.2\n---\na: 1\n...\n", {"a": 1}),
        ],
    )
    def test_plain_words_are_those_of_the_core_schema(self, text: str, value: object) -> None:
        found = loads(text.encode())
        assert found == value
        assert repr(found) == repr(value)

    @pytest.mark.parametrize(
        ("content", "where", "what"),
        [
            (BOMB.encode(), (1, 4), "an anchor"),
            (b"a: *b", (1, 4), "an anchor or an alias"),
            (b"a: 1\nb:\n\tc: 2", (3, 1), "a tab that indents"),
            (b"a: 1\nb: \xff", (2, 4), "not UTF-8"),
            ("a: 1".encode("utf-16"), (1, 1), "not UTF-8"),
            (b"a: 1\nb: \x07", (2, 4), "a control character"),
            (b"a: 1\nb: 2\na: 3", (3, 1), "'a' again"),
            (b"{a: 1, 2: b}", (1, 8), "a key that is no text"),
            (b"? [a]\n: b", (1, 3), "a key that is no text"),
            (b"a: .nan", (1, 4), ".nan"),
            (b"a: -.inf", (1, 4), "-.inf"),
            (b"a: 1e999", (1, 4), "infinite"),
            (b"a: " + b"9" * 5000, (1, 4), "too many digits"),
            (b"a: !!python/object/apply:os.system [ls]", (1, 4), "the tag"),
            (b"a: !!binary aGk=", (1, 4), "the tag"),
            (b"a: 1\n---\nb: 2", (3, 1), "a second document"),
            (b"[" * (DEEPEST + 2), (1, DEEPEST + 2), "nested too deeply"),
            (b"a: 'b", (1, 6), "unexpected end"),
            (b"a: b: c", (1, 5), "mapping values are not allowed"),
        ],
    )
    def test_what_json_could_not_say_is_refused_where_it_stands(
        self, content: bytes, where: tuple[int, int], what: str
    ) -> None:
        with pytest.raises(BadYaml) as refused:
            loads(content)
        assert (refused.value.line, refused.value.column) == where
        assert what in refused.value.what
        assert refused.value.accepted

    def test_a_megabyte_of_brackets_is_refused_at_once(self) -> None:
        begun = time.perf_counter()
        with pytest.raises(BadYaml, match="nested too deeply"):
            loads(b"[" * (1 << 20))
        assert time.perf_counter() - begun < 1
