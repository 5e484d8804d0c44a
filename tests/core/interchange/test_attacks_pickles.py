"""The attack table, pickles: code, nonsense, and tensors that are not what they say.

Every file must end in the reason that says what is wrong.
"""

from __future__ import annotations

import pickle
import pickletools
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.interchange.failure import Reason, Unreadable

R = Reason
Attack = Callable[[Any], bytes]
Refusal = Callable[..., Unreadable]


def deep(b: Any, opening: bytes, closing: bytes, count: int = 100_000) -> bytes:
    return b.pth(b.mapping(w=b.tensor(), x=opening * count + b"]" + closing * count))


def many(b: Any) -> bytes:
    """A dict of 10,000 items in the memo."""
    return b"}q\x01(" + b"".join(b.text(str(i)) + b"N" for i in range(10_000)) + b"u"


# What is wrong, the reason, a part of where, the file as `build` makes it.
TABLE: list[tuple[str, Reason, str, Attack]] = [
    # Pickles that run code.
    ("os.system", R.PICKLES_CODE, "posix.system", lambda b: b.saved(b.Bomb())),
    (
        "os.system in a state dict",
        R.PICKLES_CODE,
        "posix.system",
        lambda b: b.saved({"a": b.ONES, "b": [b.Bomb()]}),
    ),
    ("os.system by hand", R.PICKLES_CODE, "posix.system", lambda b: b.pth(b.mapping(w=b.GLOBAL_SYSTEM))),
    (
        "os.system through the memo",
        R.PICKLES_CODE,
        "posix.system",
        lambda b: b.pth(
            b"cposix\nsystem\nq\x010" + b.mapping(w=b"h\x01" + b.tuple_of(b.text(b.COMMAND)) + b"R")
        ),
    ),
    (
        "eval",
        R.PICKLES_CODE,
        "builtins.eval",
        lambda b: b.pth(b"cbuiltins\neval\n" + b.tuple_of(b.text("1")) + b"R"),
    ),
    ("getattr", R.PICKLES_CODE, "__builtin__.getattr", lambda b: b.pth(b"c__builtin__\ngetattr\n")),
    (
        "torch's own unpickler of bytes",
        R.PICKLES_CODE,
        "torch.storage._load_from_bytes",
        lambda b: b.pth(b"ctorch.storage\n_load_from_bytes\n" + b.tuple_of(b.text("x")) + b"R"),
    ),
    (
        "a dotted name",
        R.PICKLES_CODE,
        "collections",
        lambda b: b.pth(b"ccollections\nOrderedDict.__class__\n"),
    ),
    ("a numpy scalar", R.PICKLE_VALUE, "numpy", lambda b: b.saved({"a": b.ONES, "b": np.float64(1)})),
    ("a whole module", R.PICKLES_MODULE, "torch.nn", lambda b: b.saved(torch.nn.Linear(2, 2))),
    (
        "a module in a dict",
        R.PICKLES_MODULE,
        "torch.nn",
        lambda b: b.saved({"net": torch.nn.Conv2d(1, 1, 1)}),
    ),
    (
        "STACK_GLOBAL",
        R.PICKLE_OPCODE,
        "STACK_GLOBAL",
        lambda b: b.pth(b.text("posix") + b.text("system") + b"\x93"),
    ),
    (
        "a folder that turns the text around",
        R.PICKLES_CODE,
        r"\u202e",
        lambda b: b.zipped([("\u202e" * 90 + "/data.pkl", b.pickled(b.GLOBAL_SYSTEM))]),
    ),
    ("INST", R.PICKLE_OPCODE, "INST", lambda b: b.pth(b"(" + b.text(b.COMMAND) + b"iposix\nsystem\n")),
    ("OBJ", R.PICKLE_OPCODE, "OBJ", lambda b: b.pth(b"(ccollections\nOrderedDict\no")),
    ("EXT1", R.PICKLE_OPCODE, "EXT1", lambda b: b.pth(b"\x82\x01")),
    ("NEXT_BUFFER", R.PICKLE_OPCODE, "NEXT_BUFFER", lambda b: b.pth(b"\x97")),
    ("protocol 4", R.PICKLE_OPCODE, "protocol 4", lambda b: b.pth(b"}", protocol=b"\x80\x04")),
    ("a storage that is called", R.PICKLE_SYNTAX, "byte", lambda b: b.pth(b"ctorch\nFloatStorage\n)R")),
    ("a string that is called", R.PICKLE_SYNTAX, "byte", lambda b: b.pth(b.text("os.system") + b")R")),
    ("attributes of a string", R.PICKLE_SYNTAX, "byte", lambda b: b.pth(b.text("a") + b"}b")),
    # Pickles that are broken or too much.
    ("an unknown opcode", R.PICKLE_SYNTAX, "data.pkl", lambda b: b.pth(b"\xff")),
    ("a memo that is empty", R.PICKLE_SYNTAX, "byte 2", lambda b: b.pth(b"h\x07")),
    ("an empty stack", R.PICKLE_SYNTAX, "byte 2", lambda b: b.pth(b"s")),
    ("a mark for a value", R.PICKLE_SYNTAX, "byte", lambda b: b.pth(b"(")),
    ("two values", R.PICKLE_SYNTAX, "byte", lambda b: b.pth(b"}}")),
    ("a pickle after the pickle", R.PICKLE_SYNTAX, "byte 4", lambda b: b.pth(b"}." + b.GLOBAL_SYSTEM)),
    (
        "a pickle that ends early",
        R.PICKLE_SYNTAX,
        "data.pkl",
        lambda b: b.zipped([("a/data.pkl", b"\x80\x02}(")]),
    ),
    (
        "two million opcodes",
        R.PICKLE_TOO_LONG,
        "file",
        lambda b: b.pth(b.mapping(x=b"](" + b"N" * 2_000_001 + b"e")),
    ),
    (
        "a key that is a tuple",
        R.PICKLE_SYNTAX,
        "byte",
        lambda b: b.pth(b"}" + b.tuple_of(b.number(1)) + b"Ns"),
    ),
    ("a key of 2^61", R.PICKLE_SYNTAX, "byte", lambda b: b.pth(b"}" + b.number(2**61) + b"Ns")),
    ("100,000 nested lists", R.NESTED_TOO_DEEP, "x/0/0", lambda b: deep(b, b"]", b"a")),
    ("100,000 nested tuples", R.NESTED_TOO_DEEP, "x/0/0", lambda b: deep(b, b"", b"\x85")),
    (
        "a list in itself",
        R.NESTED_IN_ITSELF,
        "x/0",
        lambda b: b.pth(b.mapping(w=b.tensor(), x=b"]q\x01h\x01a")),
    ),
    ("a list for a file", R.STATE_MISSING, "data.pkl", lambda b: b.pth(b"]")),
    # Pickles whose arguments are copied.
    ("a torch.Size of a list", R.PICKLE_VALUE, "torch.Size", lambda b: b.pth(b"ctorch\nSize\n]\x85R")),
    (
        "a torch.Size of nine",
        R.PICKLE_VALUE,
        "torch.Size",
        lambda b: b.pth(b"ctorch\nSize\n" + b.tuple_of(*[b.number(1)] * 9) + b"\x85R"),
    ),
    (
        "a dict of two lists",
        R.PICKLE_VALUE,
        "OrderedDict",
        lambda b: b.pth(b"ccollections\nOrderedDict\n]]\x86R"),
    ),
    (
        "dicts of a dict",
        R.PICKLE_TOO_LONG,
        "file",
        lambda b: b.pth(b"(" + many(b) + b"ccollections\nOrderedDict\nh\x01\x85R" * 500 + b"t"),
    ),
    (
        "namespaces of a dict",
        R.PICKLE_TOO_LONG,
        "file",
        lambda b: b.pth(b"(" + many(b) + b"cargparse\nNamespace\n)\x81h\x01b" * 500 + b"t"),
    ),
    # Tensors that are not what they say.
    ("a storage that is not there", R.STORAGE_MISSING, "w", lambda b: b.holding(key="7")),
    ("a path for a storage", R.PICKLE_VALUE, "storage", lambda b: b.holding(key="../data.pkl")),
    ("a numeral of another script", R.PICKLE_VALUE, "storage", lambda b: b.holding(key="\u0663")),
    ("reading beyond a storage", R.STORAGE_SIZE, "w", lambda b: b.holding(numel=9, shape=(9,), strides=(1,))),
    (
        "a storage larger than its tensor",
        R.STORAGE_SIZE,
        "w",
        lambda b: b.pth(b.mapping(w=b.tensor(numel=7)), size=28),
    ),
    ("a storage of other bytes", R.STORAGE_SIZE, "w", lambda b: b.pth(b.mapping(w=b.tensor()), size=25)),
    ("an offset", R.STORAGE_SIZE, "w", lambda b: b.holding(offset=1)),
    (
        "a giant of stride zero",
        R.TENSOR_SHAPE,
        "w",
        lambda b: b.holding(shape=(2**40, 2**12), strides=(0, 0)),
    ),
    ("stride zero", R.TENSOR_LAYOUT, "w", lambda b: b.holding(strides=(0, 1))),
    ("rows that overlap", R.TENSOR_LAYOUT, "w", lambda b: b.holding(strides=(2, 1))),
    ("a negative stride", R.PICKLE_VALUE, "_rebuild_tensor_v2", lambda b: b.holding(strides=(-3, 1))),
    ("a negative shape", R.PICKLE_VALUE, "_rebuild_tensor_v2", lambda b: b.holding(shape=(-2, -3))),
    ("a boolean shape", R.PICKLE_VALUE, "_rebuild_tensor_v2", lambda b: b.holding(hooks=b"\x88")),
    (
        "nine dimensions",
        R.PICKLE_VALUE,
        "_rebuild_tensor_v2",
        lambda b: b.holding(shape=(1,) * 9, strides=(1,) * 9),
    ),
    ("a stride too few", R.PICKLE_VALUE, "_rebuild_tensor_v2", lambda b: b.holding(strides=(1,))),
    ("a size of 2^2000", R.PICKLE_VALUE, "storage", lambda b: b.holding(numel=2**2000)),
    (
        "a negative bit",
        R.PICKLE_VALUE,
        "_rebuild_tensor_v2",
        lambda b: b.holding(more=(b.mapping(neg=b"\x88"),)),
    ),
    (
        "another persistent id",
        R.PICKLE_VALUE,
        "storage",
        lambda b: b.pth(b.mapping(w=b.storage(tag="module"))),
    ),
    ("a storage for a tensor", R.PICKLE_VALUE, "w", lambda b: b.pth(b.mapping(w=b.storage()))),
    ("quantised values", R.TENSOR_DTYPE, "torch.qint8", lambda b: b.holding(kind="QInt8Storage")),
    (
        "complex values",
        R.TENSOR_DTYPE,
        "torch.complex64",
        lambda b: b.saved({"w": torch.ones(2, dtype=torch.cfloat)}),
    ),
    (
        "a sparse tensor",
        R.TENSOR_DTYPE,
        "a sparse tensor",
        lambda b: b.saved({"w": torch.eye(2).to_sparse()}),
    ),
    (
        "two tensors of one storage",
        R.STORAGE_SHARED,
        "b and a",
        lambda b: b.saved({"a": b.ONES, "b": b.ONES.view(6)}),
    ),
    ("a slice", R.STORAGE_SIZE, "w", lambda b: b.saved({"w": torch.ones(4, 4)[1:]})),
    (
        "20,001 members",
        R.TOO_MANY_MEMBERS,
        "",
        lambda b: b.zipped([(f"a/data/{i}", b"") for i in range(20_001)]),
    ),
    (
        "an empty endless shape",
        R.TENSOR_SHAPE,
        "w",
        lambda b: b.pth(
            b.mapping(w=b.tensor(shape=(0, 2**53 - 1, 2**53 - 1), strides=(1, 1, 1), numel=0)), size=0
        ),
    ),
    (
        "8-bit floats",
        R.TENSOR_DTYPE,
        "torch.float8_e5m2",
        lambda b: b.saved({"w": b.ONES.to(torch.float8_e5m2)}),
    ),
    ("16-bit counts", R.TENSOR_DTYPE, "torch.uint16", lambda b: b.saved({"w": b.ONES.to(torch.uint16)})),
    (
        "bytes for a tensor",
        R.PICKLE_VALUE,
        "_rebuild_tensor_v2",
        lambda b: b.pth(
            b.mapping(w=b.tensor().replace(b"torch\nFloatStorage", b"torch.storage\nUntypedStorage"))
        ),
    ),
    ("a tensor without values", R.TENSOR_DTYPE, "meta", lambda b: b.saved({"w": b.ONES.to("meta")})),
]


class TestPickles:
    @pytest.mark.parametrize(
        ("reason", "where", "attack"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
    )
    @pytest.mark.parametrize("early", [True, False], ids=["upload", "reading"])
    def test_refused_with_the_reason(
        self, build: Any, refusal: Refusal, reason: Reason, where: str, attack: Attack, early: bool
    ) -> None:
        found = refusal(attack(build), early=early)
        assert found.reason is reason, str(found)
        assert where in found.where, str(found)

    def test_the_bombs_are_live(self, build: Any) -> None:
        """An unpickler would run them: without this the table could be full of duds."""
        opcodes = [opcode.name for opcode, _, _ in pickletools.genops(build.pickled(build.GLOBAL_SYSTEM))]
        assert opcodes == ["PROTO", "GLOBAL", "MARK", "BINUNICODE", "TUPLE", "REDUCE", "STOP"]
        pickle.loads(build.pickled(build.GLOBAL_SYSTEM))  # noqa: S301
        assert build.MARKER.exists()
        build.MARKER.unlink()

    def test_all_pickles_of_an_archive_are_counted_together(self, build: Any, refusal: Refusal) -> None:
        model = build.pth(build.mapping(w=build.tensor(), x=b"](" + b"N" * 300_000 + b"e"))
        few = build.tar_of(*((f"level_0/main/model_ep0_it{i}.pth", model) for i in range(3)), mode="w:gz")
        many = build.tar_of(*((f"level_0/main/model_ep0_it{i}.pth", model) for i in range(4)), mode="w:gz")
        assert refusal(few).reason is R.FORMAT_UNKNOWN
        assert refusal(many, early=True).reason is R.PICKLE_TOO_LONG

    def test_plain_values_beside_a_network_are_told_from_code(self, build: Any, refusal: Refusal) -> None:
        values = [np.float32(1), np.ones(2), {1, 2}, b"abc", 1j, Path("a"), defaultdict(dict)]
        for value in values:
            found = refusal(build.saved({"state_dict": {"w": build.ONES}, "best": value}), early=True)
            assert found.reason is R.PICKLE_VALUE
            assert "save only model.state_dict()" in found.accepted
            assert "names code" not in str(found)

    def test_a_long_pickle_is_not_searched_for_modules_to_its_end(self, build: Any, refusal: Refusal) -> None:
        module = build.GLOBAL_SYSTEM + b"N" * 2_100_000 + b"ctorch.nn.modules.linear\nLinear\n"
        assert (
            refusal(
                build.tar_of(("level_0/main/mask.pth", build.pth(module)), mode="w:gz"), early=True
            ).reason
            is R.PICKLES_CODE
        )
