"""The attack table: bytes that are almost a ticket. Every one must end in the failure that says what is wrong."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.families.definition import made_definition
from core.tickets import Failure, InvalidTicket, Metadata, TicketFile, ticket_id

Attack = Callable[[Any], bytes]
DEEP = 200_000


def entry(name: str, **changes: object) -> Attack:
    """Change keys of one tensor's header entry, leaving the payload as it is; None removes a key."""

    def attack(draft: Any) -> bytes:
        merged = {**draft.header[name], **changes}
        draft.header[name] = {key: value for key, value in merged.items() if value is not None}
        return draft.build()

    return attack


def moved(name: str, start: int, stop: int = 0) -> Attack:
    """Shift the offsets of one tensor."""

    def attack(draft: Any) -> bytes:
        offsets = draft.header[name]["data_offsets"]
        offsets[:] = [offsets[0] + start, offsets[1] + stop]
        return draft.build()

    return attack


def said(**changes: str | None) -> Attack:
    """Change strings of `__metadata__`; None removes a key."""

    def attack(draft: Any) -> bytes:
        draft.metadata = {
            key: value for key, value in {**draft.metadata, **changes}.items() if value is not None
        }
        return draft.lay_out().build()

    return attack


def replaced(old: str, new: str) -> Attack:
    """Replace text in the header."""

    def attack(draft: Any) -> bytes:
        text = json.dumps(draft.header)
        assert old in text
        return draft.build(text.replace(old, new, 1))

    return attack


def valued(name: str, index: Any, value: Any) -> Attack:
    """Set one value of a tensor."""

    def attack(draft: Any) -> bytes:
        array = draft.array(name)
        array[index] = value
        return draft.put(name, array).build()

    return attack


def put(name: str, array: np.ndarray) -> Attack:
    """Add or replace a whole tensor."""
    return lambda draft: draft.put(name, array).build()


def without(name: str) -> Attack:
    def attack(draft: Any) -> bytes:
        del draft.tensors[name]
        return draft.lay_out().build()

    return attack


def renamed(name: str) -> Attack:
    """Give an extra, well-formed tensor this name."""

    def attack(draft: Any) -> bytes:
        draft.tensors[name] = ("U8", [1], b"\1")
        return draft.lay_out().build()

    return attack


def crowd(draft: Any) -> bytes:
    draft.tensors |= {f"t{i}": ("U8", [0], b"") for i in range(20_001)}
    return draft.lay_out().build()


def other_tool(draft: Any) -> Any:
    """What a library that knows only its own metadata writes."""
    draft.metadata = {"format": "pt"}
    return draft.lay_out()


def head(text: bytes) -> Attack:
    """This header, and no payload."""
    return lambda draft: len(text).to_bytes(8, "little") + text


def family(**changes: Any) -> str:
    """A posted family for the input and classes of the attacked file, as canonical JSON."""
    given = {
        "name": "chain",
        "input": [2, 8, 8],
        "classes": 7,
        "prunable": ["*"],
        "tensors": {"b.0.weight": [2, 2]},
    }
    stages = [{"name": "b", "pattern": "b.{unit}."}]
    return made_definition(given | {"stages": stages} | changes).canonical


F32 = np.zeros(1, np.float32)
TABLE: list[tuple[str, Failure, str, Attack]] = [
    ("an empty file", Failure.FILE_TOO_SHORT, "byte 0", lambda d: b""),
    ("seven bytes", Failure.FILE_TOO_SHORT, "byte 7", lambda d: b"\0" * 7),
    ("a header of 4 MiB + 1", Failure.HEADER_TOO_LARGE, "", lambda d: (2**22 + 1).to_bytes(8, "little")),
    ("a header of 2^64 − 1", Failure.HEADER_TOO_LARGE, "", lambda d: b"\xff" * 8),
    ("a header beyond the file", Failure.HEADER_TRUNCATED, "", lambda d: (9).to_bytes(8, "little") + b"{}"),
    ("no header", Failure.HEADER_START, "byte 8", head(b"")),
    ("a list for a header", Failure.HEADER_START, "byte 8", head(b"[]")),
    ("a space before the header", Failure.HEADER_START, "byte 8", head(b" {}")),
    ("a byte order mark", Failure.HEADER_START, "byte 8", head(b"\xef\xbb\xbf{}")),
    ("a newline for padding", Failure.HEADER_PADDING, "byte 10", head(b"{}\n  ")),
    ("Latin-1", Failure.HEADER_NOT_UTF8, "byte 10", head(b'{"\xe9":1}')),
    ("an encoded surrogate", Failure.HEADER_NOT_UTF8, "byte 10", head(b'{"\xed\xa0\x80":1}')),
    ("half an object", Failure.JSON_SYNTAX, "header", head(b'{"a":')),
    ("two objects", Failure.JSON_SYNTAX, "header", head(b"{}{}")),
    ("a control character", Failure.JSON_SYNTAX, "header", head(b'{"a\0":1}')),
    ("half an input", Failure.JSON_SYNTAX, "input", said(input="[2,8")),
    ("a tensor twice", Failure.JSON_DUPLICATE_KEY, "fc.bias", replaced('"bn.bias":', '"fc.bias":')),
    ("a dtype twice", Failure.JSON_DUPLICATE_KEY, "dtype", replaced('"dtype":', '"dtype": "F32", "dtype":')),
    ("a shape twice", Failure.JSON_DUPLICATE_KEY, "shapes", said(shapes='{"a":[1],"a":[1]}')),
    ("an escaped key twice", Failure.JSON_DUPLICATE_KEY, "header", head(rb'{"a":1,"\u0061":1}')),
    ("a NaN", Failure.JSON_NUMBER, "header", replaced("[3]", "[NaN]")),
    ("an Infinity", Failure.JSON_NUMBER, "provenance", said(provenance='{"details":{"x":-Infinity}}')),
    ("a float that overflows", Failure.JSON_NUMBER, "provenance", said(provenance='{"details":{"x":1e999}}')),
    ("2^53", Failure.JSON_NUMBER, "header", replaced("[3]", f"[{2**53}]")),
    ("an integer of 100,000 digits", Failure.JSON_NUMBER, "header", replaced("[3]", f"[{'9' * 100_000}]")),
    ("a depth bomb of lists", Failure.JSON_DEPTH, "header", replaced("[3]", "[" * DEEP + "]" * DEEP)),
    ("a depth bomb of objects", Failure.JSON_DEPTH, "header", head(b'{"a":' * DEEP + b"1" + b"}" * DEEP)),
    ("a depth bomb in a string", Failure.JSON_DEPTH, "shapes", said(shapes="[" * DEEP + "]" * DEEP)),
    ("20,001 more tensors", Failure.TOO_MANY_TENSORS, "header", crowd),
    ("an empty name", Failure.TENSOR_NAME, "''", renamed("")),
    ("a path for a name", Failure.TENSOR_NAME, "passwd", renamed("../../etc/passwd")),
    ("a name with a NUL", Failure.TENSOR_NAME, "x00", renamed("fc\0")),
    ("a name with a newline", Failure.TENSOR_NAME, r"fc.bias\n", renamed("fc.bias\n")),
    ("a name with a lone surrogate", Failure.TENSOR_NAME, r"\ud800", renamed("\ud800")),
    ("a name in Cyrillic", Failure.TENSOR_NAME, r"\u0441", renamed("f\u0441.bias")),
    ("a name of 257 letters", Failure.TENSOR_NAME, "aaa", renamed("a" * 257)),
    ("a name with an empty part", Failure.TENSOR_NAME, "fc..bias", renamed("fc..bias")),
    ("a number for an entry", Failure.TENSOR_ENTRY, "fc.bias", lambda d: d.build(json.dumps({"fc.bias": 1}))),
    ("an entry without offsets", Failure.TENSOR_ENTRY, "fc.bias", entry("fc.bias", data_offsets=None)),
    ("an entry with another key", Failure.TENSOR_ENTRY, "fc.bias", entry("fc.bias", strides=[1])),
    ("a shape that is no list", Failure.TENSOR_ENTRY, "fc.bias, shape", entry("fc.bias", shape=7)),
    ("a negative shape", Failure.TENSOR_ENTRY, "fc.bias, shape", entry("fc.bias", shape=[-7])),
    ("a boolean shape", Failure.TENSOR_ENTRY, "fc.bias, shape", entry("fc.bias", shape=[7, True])),
    ("a fractional shape", Failure.TENSOR_ENTRY, "fc.bias, shape", entry("fc.bias", shape=[7.0])),
    ("a shape of 300,000 sides", Failure.TENSOR_ENTRY, "fc.bias, shape", entry("fc.bias", shape=[9] * 300_000)),
    ("three offsets", Failure.TENSOR_ENTRY, "fc.bias, data_offsets", entry("fc.bias", data_offsets=[0, 1, 2])),
    ("offsets backwards", Failure.TENSOR_ENTRY, "fc.bias, data_offsets", entry("fc.bias", data_offsets=[28, 0])),
    ("boolean offsets", Failure.TENSOR_ENTRY, "fc.bias, data_offsets", entry("fc.bias", data_offsets=[False, 28])),
    ("a size that is too small", Failure.TENSOR_SIZE, "fc.bias", entry("fc.bias", shape=[8])),
    ("a size that overflows", Failure.TENSOR_SIZE, "fc.bias", entry("fc.bias", shape=[2**32, 2**32, 4])),
    ("two tensors in one place", Failure.PAYLOAD_OVERLAP, "bn.running_mean", moved("bn.running_mean", -12, -12)),
    ("an overlap of four bytes", Failure.PAYLOAD_OVERLAP, "fc.bias", moved("fc.bias", -4, -4)),
    ("a hole at the start", Failure.PAYLOAD_HOLE, "bn.num_batches_tracked", moved("bn.num_batches_tracked", 8, 8)),
    ("a hole before the last", Failure.PAYLOAD_HOLE, "fc.weight.bits", moved("fc.weight.bits", 1, 1)),
    ("an empty tensor far away", Failure.PAYLOAD_HOLE, "z", lambda d: (d.header.update(
        z={"dtype": "U8", "shape": [0], "data_offsets": [10**9, 10**9]}), d.build())[1]),
    ("a payload one byte short", Failure.PAYLOAD_TRUNCATED, "payload byte", lambda d: d.build()[:-1]),
    ("no payload", Failure.PAYLOAD_TRUNCATED, "payload byte 0", lambda d: d.build()[: -len(d.payload)]),
    ("a byte after the payload", Failure.TRAILING_BYTES, "payload byte", lambda d: d.build() + b"\0"),
    ("an archive after the payload", Failure.TRAILING_BYTES, "payload byte", lambda d: d.build() + b"PK\3\4"),
    ("no metadata", Failure.METADATA_MISSING, "format", lambda d: (d.header.pop("__metadata__"), d.build())[1]),
    ("no architecture", Failure.METADATA_MISSING, "architecture", said(architecture=None)),
    ("no shapes", Failure.METADATA_MISSING, "shapes", said(shapes=None)),
    ("another metadata key", Failure.METADATA_UNKNOWN, "'tag'", said(tag="mine")),
    ("a list for metadata", Failure.METADATA_VALUE, "__metadata__", lambda d: d.build('{"__metadata__":[]}')),
    ("a number in the metadata", Failure.METADATA_VALUE, "__metadata__", said(classes=7)),  # type: ignore[arg-type]
    ("an input of two sides", Failure.METADATA_VALUE, "input", said(input="[8,8]")),
    ("an input of truth", Failure.METADATA_VALUE, "input", said(input="[true,8,8]")),
    ("classes with a zero before", Failure.METADATA_VALUE, "classes", said(classes="07")),
    ("classes in Devanagari", Failure.METADATA_VALUE, "classes", said(classes="\u096d")),
    ("a negative rewind step", Failure.METADATA_VALUE, "rewind_step", said(rewind_step="-1")),
    ("a rewind step of 2^53", Failure.METADATA_VALUE, "rewind_step", said(rewind_step=str(2**53))),
    ("shapes of other tensors", Failure.METADATA_VALUE, "shapes", said(shapes='{"fc.weight":[7,3]}')),
    ("another shape", Failure.METADATA_VALUE, "shapes, fc.weight",
        said(shapes='{"conv.weight":[3,2,3,3],"fc.weight":[3,7]}')),
    ("a provenance that is a list", Failure.METADATA_VALUE, "provenance", said(provenance="[]")),
    ("a parent that is no id", Failure.METADATA_VALUE, "provenance, 'parent'", said(provenance='{"parent":"a"}')),
    ("an unknown provenance", Failure.METADATA_VALUE, "provenance, 'who'", said(provenance='{"who":"a"}')),
    ("a surrogate provenance", Failure.METADATA_VALUE, "provenance", said(provenance='{"\\ud800":"a"}')),
    ("details 100 levels deep", Failure.METADATA_VALUE, "provenance, 'details'",
        said(provenance='{"details":{"a":' + "[" * 100 + "]" * 100 + "}}")),
    ("a dataset with a space", Failure.METADATA_VALUE, "provenance, 'dataset'", said(dataset="a b")),
    ("a second dataset", Failure.METADATA_VALUE, "provenance", said(provenance='{"dataset":"mnist"}')),
    ("another tool's file", Failure.FORMAT_UNKNOWN, "format", lambda d: other_tool(d).build()),
    ("a later format", Failure.FORMAT_UNKNOWN, "format", said(format="elasticket/2")),
    ("a definition that is no JSON", Failure.METADATA_VALUE, "definition", said(definition="{")),
    ("a definition that is deep", Failure.METADATA_VALUE, "definition", said(definition='{"tensors":' + "[" * DEEP)),
    ("a definition with a key twice", Failure.METADATA_VALUE, "definition",
        said(definition=family().replace('"classes":7', '"classes":7,"classes":7'))),
    ("a definition with spaces", Failure.METADATA_VALUE, "definition", said(definition=family() + " ")),
    ("a definition of 2 MiB + 1", Failure.METADATA_VALUE, "definition", said(definition=" " * (2**21 + 1))),
    ("a definition with a surrogate", Failure.METADATA_VALUE, "definition",
        said(definition=family().replace("chain", "\ud800"))),
    ("a definition of a built-in family", Failure.METADATA_VALUE, "definition/name",
        said(architecture="mlp_2", definition=family(name="mlp_2", stages=[]))),
    ("a definition of units that differ", Failure.METADATA_VALUE, "definition/stages/0", said(architecture="chain:2",
        definition=family(tensors={"b.0.weight": [2, 2], "b.1.weight": [3, 2]}))),
    ("a definition of other classes", Failure.METADATA_VALUE, "classes",
        said(architecture="chain:1", definition=family(classes=8))),
    ("a definition of another input", Failure.METADATA_VALUE, "input",
        said(architecture="chain:1", definition=family(input=None))),
    ("a definition of another family", Failure.ARCHITECTURE_UNKNOWN, "'tiny_3'", said(definition=family())),
    ("no entries", Failure.ARCHITECTURE_UNKNOWN, "'chain:0'", said(architecture="chain:0", definition=family())),
    ("counts of two stages", Failure.ARCHITECTURE_UNKNOWN, "'chain:1-1'",
        said(architecture="chain:1-1", definition=family())),
    ("more entries than tensors fit", Failure.ARCHITECTURE_UNKNOWN, "'chain:15000'",
        said(architecture="chain:15000", definition=family())),
    ("counts left out", Failure.ARCHITECTURE_UNKNOWN, "'chain'", said(architecture="chain", definition=family())),
    ("a definition of other tensors", Failure.METADATA_VALUE, "shapes",
        said(architecture="chain:1", definition=family())),
    ("an unknown architecture", Failure.ARCHITECTURE_UNKNOWN, "'huge_1'", said(architecture="huge_1")),
    ("an alias", Failure.ARCHITECTURE_UNKNOWN, "'tiny_03'", said(architecture="tiny_03")),
    ("too many classes", Failure.ARCHITECTURE_UNKNOWN, "'tiny_3'", said(classes="51")),
    ("a missing bias", Failure.TENSOR_MISSING, "fc.bias", without("fc.bias")),
    ("a missing mask", Failure.TENSOR_MISSING, "fc.weight.bits", without("fc.weight.bits")),
    ("no survivors", Failure.TENSOR_MISSING, "fc.weight.kept", without("fc.weight.kept")),
    ("a missing counter", Failure.TENSOR_MISSING, "bn.num_batches_tracked", without("bn.num_batches_tracked")),
    ("one tensor more", Failure.TENSOR_UNEXPECTED, "'bn2.bias'", put("bn2.bias", F32)),
    ("a prunable tensor dense as well", Failure.TENSOR_UNEXPECTED, "'fc.weight'", put("fc.weight", F32)),
    ("a mask for a bias", Failure.TENSOR_UNEXPECTED, "'fc.bias.bits'", put("fc.bias.bits", np.zeros(1, "u1"))),
    ("half precision", Failure.TENSOR_DTYPE, "fc.bias", entry("fc.bias", dtype="F16")),
    ("a dtype that is a list", Failure.TENSOR_DTYPE, "fc.bias", entry("fc.bias", dtype=["F32"])),
    ("a counter in float", Failure.TENSOR_DTYPE, "bn.num_batches_tracked",
        put("bn.num_batches_tracked", np.array(1, np.float32))),
    ("a bias in integers", Failure.TENSOR_DTYPE, "fc.bias", put("fc.bias", np.zeros(7, np.int64))),
    ("a column for a bias", Failure.TENSOR_SHAPE, "fc.bias", put("fc.bias", np.zeros((7, 1), np.float32))),
    ("a counter in a list", Failure.TENSOR_SHAPE, "bn.num", put("bn.num_batches_tracked", np.zeros(1, np.int64))),
    ("a mask a byte short", Failure.TENSOR_SHAPE, "fc.weight.bits", put("fc.weight.bits", np.zeros(2, "u1"))),
    ("a mask a byte long", Failure.TENSOR_SHAPE, "fc.weight.bits", put("fc.weight.bits", np.zeros(4, "u1"))),
    ("kept values in a table", Failure.TENSOR_SHAPE, "fc.weight.kept",
        lambda d: d.put("fc.weight.kept", d.array("fc.weight.kept").reshape(1, -1)).build()),
    ("a bit after the mask", Failure.MASK_PADDING, "fc.weight.bits",
        lambda d: valued("fc.weight.bits", 2, d.array("fc.weight.bits")[2] | 128)(d)),
    ("one survivor fewer", Failure.MASK_SURVIVORS, "fc.weight.kept",
        lambda d: d.put("fc.weight.kept", d.array("fc.weight.kept")[1:]).build()),
    ("one bit fewer", Failure.MASK_SURVIVORS, "fc.weight.kept",
        lambda d: valued("fc.weight.bits", 0, d.array("fc.weight.bits")[0] ^ 1)(d)),
    ("a survivor that is NaN", Failure.NOT_FINITE, "fc.weight.kept[3]", valued("fc.weight.kept", 3, np.nan)),
    ("a bias that is infinite", Failure.NOT_FINITE, "fc.bias[6]", valued("fc.bias", 6, -np.inf)),
    ("a mean that is NaN", Failure.NOT_FINITE, "bn.running_mean[0]", valued("bn.running_mean", 0, np.nan)),
    ("a negative variance", Failure.NEGATIVE_VARIANCE, "bn.running_var[2]", valued("bn.running_var", 2, -1e-9)),
    ("a negative counter", Failure.NEGATIVE_COUNT, "bn.num_batches_tracked[0]",
        valued("bn.num_batches_tracked", (), -1)),
]  # fmt: skip


class TestAttackTable:
    @pytest.mark.parametrize(
        ("failure", "where", "attack"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
    )
    def test_names_the_failure_and_the_place(
        self,
        draft: Any,
        refusal: Callable[[bytes], InvalidTicket],
        failure: Failure,
        where: str,
        attack: Attack,
    ) -> None:
        refused = refusal(attack(draft))
        assert refused.failure is failure
        assert where in refused.where
        assert refused.accepted
        assert refused.where.isascii()
        assert len(str(refused)) < 400

    def test_every_failure_has_a_row(self) -> None:
        assert {row[1] for row in TABLE} == set(Failure)

    def test_the_file_that_is_attacked_is_sound(
        self, draft: Any, read_bytes: Callable[[bytes], TicketFile], ticket: Any
    ) -> None:
        assert ticket_id(read_bytes(draft.build()).ticket) == ticket_id(ticket)


class TestDamage:
    def test_truncated_at_every_byte(self, file: bytes, refusal: Callable[[bytes], InvalidTicket]) -> None:
        for length in range(len(file)):
            refusal(file[:length])

    @given(st.data())
    @settings(max_examples=400)
    def test_one_byte_changed(
        self,
        file: bytes,
        read_bytes: Callable[[bytes], TicketFile],
        metadata: Metadata,
        ticket: Any,
        data: Any,
    ) -> None:
        damaged = bytearray(file)
        position = data.draw(st.integers(0, len(file) - 1))
        damaged[position] ^= data.draw(st.integers(1, 255))
        try:
            found = read_bytes(bytes(damaged))
        except InvalidTicket:
            return
        assert ticket_id(found.ticket) != ticket_id(ticket) or found.metadata != metadata

    def test_every_single_bit_changed(
        self, file: bytes, read_bytes: Callable[[bytes], TicketFile], metadata: Metadata, ticket: Any
    ) -> None:
        sound = ticket_id(ticket)
        for position in range(len(file) * 8):
            damaged = bytearray(file)
            damaged[position // 8] ^= 1 << position % 8
            try:
                found = read_bytes(bytes(damaged))
            except InvalidTicket:
                continue
            assert ticket_id(found.ticket) != sound or found.metadata != metadata

    @given(st.binary(max_size=200))
    @settings(max_examples=100)
    def test_noise(self, refusal: Callable[[bytes], InvalidTicket], noise: bytes) -> None:
        refusal(noise)
        refusal(len(noise).to_bytes(8, "little") + noise)

    @given(st.data())
    @settings(max_examples=200)
    def test_any_json_in_any_place_of_the_header(
        self,
        file: bytes,
        draft_of: Callable[[bytes], Any],
        read_bytes: Callable[[bytes], TicketFile],
        data: Any,
    ) -> None:
        draft = draft_of(file)
        put_anything(draft.header, data)
        with contextlib.suppress(InvalidTicket):
            read_bytes(draft.build())

    @given(st.sampled_from(["input", "shapes", "provenance"]), st.data())
    @settings(max_examples=200)
    def test_any_json_in_any_place_of_the_metadata(
        self,
        file: bytes,
        draft_of: Callable[[bytes], Any],
        read_bytes: Callable[[bytes], TicketFile],
        key: str,
        data: Any,
    ) -> None:
        draft = draft_of(file)
        value = json.loads(draft.metadata[key])
        put_anything(value, data)
        draft.metadata[key] = json.dumps(value)
        with contextlib.suppress(InvalidTicket):
            read_bytes(draft.build())


def put_anything(value: Any, data: Any) -> None:
    """Replace something within a JSON value by something else, lone surrogates and NaN included."""
    text = st.text(st.characters(), max_size=5)
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | text
    anything = st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=5
    )
    target, key = data.draw(st.sampled_from(places(value)))
    if isinstance(target, dict) and data.draw(st.booleans()):
        target[data.draw(text)] = target.pop(key)
    else:
        target[key] = data.draw(anything)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container and key within a JSON value."""
    if isinstance(value, dict):
        keys: list[Any] = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    else:
        return []
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]
