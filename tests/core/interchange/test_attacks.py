"""The attack table: files that are hostile or broken. Every one must end in the reason that says what is wrong."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import pickle
import pickletools
import random
import struct
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.interchange.failure import Reason, Unreadable
from core.interchange.importing import precheck, read_foreign

R = Reason
LIMIT = 1 << 22
MARKER = Path(tempfile.gettempdir(), f"elasticket-attack-{os.getpid()}")
COMMAND = f"touch {MARKER}"


class Bomb:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (COMMAND,)


def text(value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value: int) -> bytes:
    encoded = pickle.encode_long(value)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def mapping(**items: bytes) -> bytes:
    return b"}(" + b"".join(text(name) + value for name, value in items.items()) + b"u"


def storage(key: str = "0", kind: str = "FloatStorage", numel: int = 6, tag: str = "storage") -> bytes:
    return tuple_of(text(tag), f"ctorch\n{kind}\n".encode(), text(key), text("cpu"), number(numel)) + b"Q"


def tensor(
    key: str = "0",
    shape: tuple[int, ...] = (2, 3),
    strides: tuple[int, ...] = (3, 1),
    numel: int = 6,
    offset: int = 0,
    kind: str = "FloatStorage",
    hooks: bytes = b"ccollections\nOrderedDict\n)R",
    more: tuple[bytes, ...] = (),
) -> bytes:
    """A tensor as torch.save pickles it."""
    arguments = (
        storage(key, kind, numel),
        number(offset),
        tuple_of(*map(number, shape)),
        tuple_of(*map(number, strides)),
        b"\x89",
        hooks,
        *more,
    )
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + tuple_of(*arguments) + b"R"


def pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def zipped(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED, mode: int = 0) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return stream.getvalue()


def pth(body: bytes, *more: tuple[str, bytes], size: int = 24, protocol: bytes = b"\x80\x02") -> bytes:
    """A `.pth` with this pickle and one storage of `size` bytes."""
    return zipped([("a/data.pkl", protocol + body + b"."), ("a/data/0", bytes(size)), *more])


def holding(**changes: Any) -> bytes:
    """A `.pth` with one tensor, described wrongly."""
    return pth(mapping(w=tensor(**changes)))


def torch_file(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def legacy(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def scripted() -> bytes:
    return pth(mapping(w=tensor()), ("a/code/__torch__.py", b"x = 1"), ("a/constants.pkl", b"\x80\x02)."))


def tarred(*members: tuple[tarfile.TarInfo | str, bytes], mode: str = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def special(kind: bytes, target: str = "") -> bytes:
    info = tarfile.TarInfo("level_1/main/mask.pth")
    info.type, info.linkname = kind, target
    return tarred((info, b""))


def sparse_tar() -> bytes:
    """A pax sparse file of 1 TiB in no bytes at all."""
    info = tarfile.TarInfo("level_1/main/mask.pth")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 40)}
    return tarred((info, b""))


def long_header() -> bytes:
    info = tarfile.TarInfo("a")
    info.pax_headers = {"comment": "x" * (2 << 20)}
    return tarred((info, b""))


def overlapping() -> bytes:
    """Two directory entries for the same bytes: a small file that unpacks to twice its size."""
    content = zipped(
        [("a/data.pkl", pickled(mapping(w=tensor()))), ("a/data/0", bytes(24)), ("a/data/1", bytes(24))]
    )
    first = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    second = content.index(b"PK\x01\x02", first + 4)
    changed = bytearray(content)
    changed[second + 42 : second + 46] = content[first + 42 : first + 46]
    return bytes(changed)


def disagreeing(offset: int, value: bytes) -> bytes:
    """Change the local header of the first member."""
    content = bytearray(pth(mapping(w=tensor())))
    content[offset : offset + len(value)] = value
    return bytes(content)


def directory_claim(count: int, length: int) -> bytes:
    content = bytearray(pth(mapping(w=tensor())))
    struct.pack_into("<2HL", content, len(content) - 14, count & 0xFFFF, count & 0xFFFF, length)
    return bytes(content)


def encrypted() -> bytes:
    content = bytearray(pth(mapping(w=tensor())))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def deep(opening: bytes, closing: bytes, count: int = 100_000) -> bytes:
    return pth(mapping(w=tensor(), x=opening * count + b"]" + closing * count))


def safetensors(header: Any, payload: bytes = b"") -> bytes:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(encoded).to_bytes(8, "little") + encoded + payload


def entry(dtype: str, shape: list[int], start: int, stop: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def masked(mask: torch.Tensor, **more: Any) -> bytes:
    return torch_file({"conv.weight_orig": torch.ones(2, 3), "conv.weight_mask": mask, **more})


def level(**files: bytes) -> bytes:
    names = {"mask": "mask.pth", "model": "model_ep0_it0.pth", "report": "sparsity_report.json"}
    return tarred(
        *((f"replicate_1/level_1/main/{names.get(name, name)}", content) for name, content in files.items())
    )


def flat(value: float) -> bytes:
    weights = torch.ones(3, 4)
    weights[1, 2] = value
    return torch_file({"fc.weight": weights})


def level_file(name: str, content: bytes) -> bytes:
    return tarred((f"level_1/main/{name}", content))


def cyclic() -> bytes:
    return pth(mapping(w=tensor(), x=b"]q\x01h\x01a"))


ONES = torch.ones(2, 3)
MASK = torch_file({"fc.weight": torch.tensor([[1, 0]], dtype=torch.int32)})
MODEL = torch_file({"fc.weight": torch.ones(1, 2)})
GLOBAL_SYSTEM = b"cposix\nsystem\n" + tuple_of(text(COMMAND)) + b"R"

# What is wrong, the reason, a part of where, the file. The first table is refused at upload already.
EARLY: list[tuple[str, Reason, str, Callable[[], bytes]]] = [
    ("an empty file", R.CONTAINER_UNKNOWN, "byte 0", lambda: b""),
    ("a picture", R.CONTAINER_UNKNOWN, "byte 0", lambda: b"\x89PNG\r\n\x1a\n" + bytes(300)),
    ("a bare pickle", R.TORCH_LEGACY, "byte 0", lambda: pickle.dumps({"a": 1})),
    ("a bare pickle bomb", R.TORCH_LEGACY, "byte 0", lambda: pickle.dumps(Bomb())),
    ("a bare pickle bomb, protocol 2", R.TORCH_LEGACY, "byte 0", lambda: pickle.dumps(Bomb(), 2)),
    ("a text pickle bomb", R.CONTAINER_UNKNOWN, "byte 0", lambda: pickle.dumps(Bomb(), 0)),
    ("torch before 1.6", R.TORCH_LEGACY, "byte 0", lambda: legacy({"a": torch.ones(2)})),
    ("TorchScript", R.TORCHSCRIPT, "a/", scripted),
    (
        "a big-endian file",
        R.BYTE_ORDER,
        "byteorder",
        lambda: pth(mapping(w=tensor()), ("a/byteorder", b"big")),
    ),
    # Pickles that run code.
    ("os.system", R.PICKLES_CODE, "posix.system", lambda: torch_file(Bomb())),
    (
        "os.system in a state dict",
        R.PICKLES_CODE,
        "posix.system",
        lambda: torch_file({"a": ONES, "b": [Bomb()]}),
    ),
    ("os.system by hand", R.PICKLES_CODE, "posix.system", lambda: pth(mapping(w=GLOBAL_SYSTEM))),
    (
        "os.system through the memo",
        R.PICKLES_CODE,
        "posix.system",
        lambda: pth(b"cposix\nsystem\nq\x010" + mapping(w=b"h\x01" + tuple_of(text(COMMAND)) + b"R")),
    ),
    ("eval", R.PICKLES_CODE, "builtins.eval", lambda: pth(b"cbuiltins\neval\n" + tuple_of(text("1")) + b"R")),
    ("getattr", R.PICKLES_CODE, "__builtin__.getattr", lambda: pth(b"c__builtin__\ngetattr\n")),
    (
        "torch's own unpickler of bytes",
        R.PICKLES_CODE,
        "torch.storage._load_from_bytes",
        lambda: pth(b"ctorch.storage\n_load_from_bytes\n" + tuple_of(text("x")) + b"R"),
    ),
    ("a dotted name", R.PICKLES_CODE, "collections", lambda: pth(b"ccollections\nOrderedDict.__class__\n")),
    ("a numpy scalar", R.PICKLES_CODE, "numpy", lambda: torch_file({"a": ONES, "b": np.float64(1)})),
    ("a whole module", R.PICKLES_MODULE, "torch.nn", lambda: torch_file(torch.nn.Linear(2, 2))),
    (
        "a module in a dict",
        R.PICKLES_MODULE,
        "torch.nn",
        lambda: torch_file({"net": torch.nn.Conv2d(1, 1, 1)}),
    ),
    ("STACK_GLOBAL", R.PICKLE_OPCODE, "STACK_GLOBAL", lambda: pth(text("posix") + text("system") + b"\x93")),
    ("INST", R.PICKLE_OPCODE, "INST", lambda: pth(b"(" + text(COMMAND) + b"iposix\nsystem\n")),
    ("OBJ", R.PICKLE_OPCODE, "OBJ", lambda: pth(b"(ccollections\nOrderedDict\no")),
    ("EXT1", R.PICKLE_OPCODE, "EXT1", lambda: pth(b"\x82\x01")),
    ("NEXT_BUFFER", R.PICKLE_OPCODE, "NEXT_BUFFER", lambda: pth(b"\x97")),
    ("protocol 4", R.PICKLE_OPCODE, "protocol 4", lambda: pth(b"}", protocol=b"\x80\x04")),
    ("a storage that is called", R.PICKLE_SYNTAX, "byte", lambda: pth(b"ctorch\nFloatStorage\n)R")),
    ("a string that is called", R.PICKLE_SYNTAX, "byte", lambda: pth(text("os.system") + b")R")),
    ("attributes of a string", R.PICKLE_SYNTAX, "byte", lambda: pth(text("a") + b"}b")),
    # Pickles that are broken or too much.
    ("an unknown opcode", R.PICKLE_SYNTAX, "data.pkl", lambda: pth(b"\xff")),
    ("a memo that is empty", R.PICKLE_SYNTAX, "byte 2", lambda: pth(b"h\x07")),
    ("an empty stack", R.PICKLE_SYNTAX, "byte 2", lambda: pth(b"s")),
    ("a mark for a value", R.PICKLE_SYNTAX, "byte", lambda: pth(b"(")),
    ("two values", R.PICKLE_SYNTAX, "byte", lambda: pth(b"}}")),
    ("a pickle after the pickle", R.PICKLE_SYNTAX, "byte 4", lambda: pth(b"}." + GLOBAL_SYSTEM)),
    (
        "a pickle that ends early",
        R.PICKLE_SYNTAX,
        "data.pkl",
        lambda: zipped([("a/data.pkl", b"\x80\x02}(")]),
    ),
    (
        "a million opcodes",
        R.PICKLE_TOO_LONG,
        "data.pkl",
        lambda: pth(mapping(x=b"](" + b"N" * 1_000_001 + b"e")),
    ),
    ("a key that is a tuple", R.PICKLE_SYNTAX, "byte", lambda: pth(b"}" + tuple_of(number(1)) + b"Ns")),
    ("a key of 2^61", R.PICKLE_SYNTAX, "byte", lambda: pth(b"}" + number(2**61) + b"Ns")),
    ("100,000 nested lists", R.NESTED_TOO_DEEP, "x/0/0", lambda: deep(b"]", b"a")),
    ("100,000 nested tuples", R.NESTED_TOO_DEEP, "x/0/0", lambda: deep(b"", b"\x85")),
    ("a list in itself", R.NESTED_IN_ITSELF, "x/0", cyclic),
    ("a list for a file", R.STATE_MISSING, "data.pkl", lambda: pth(b"]")),
    # Tensors that are not what they say.
    ("a storage that is not there", R.STORAGE_MISSING, "w", lambda: holding(key="7")),
    ("a path for a storage", R.PICKLE_VALUE, "storage", lambda: holding(key="../data.pkl")),
    ("a numeral of another script", R.PICKLE_VALUE, "storage", lambda: holding(key="\u0663")),
    ("reading beyond a storage", R.STORAGE_SIZE, "w", lambda: holding(numel=9, shape=(9,), strides=(1,))),
    (
        "a storage larger than its tensor",
        R.STORAGE_SIZE,
        "w",
        lambda: pth(mapping(w=tensor(numel=7)), size=28),
    ),
    ("a storage of other bytes", R.STORAGE_SIZE, "w", lambda: pth(mapping(w=tensor()), size=25)),
    ("an offset", R.STORAGE_SIZE, "w", lambda: holding(offset=1)),
    ("a giant of stride zero", R.STORAGE_SIZE, "w", lambda: holding(shape=(2**40, 2**12), strides=(0, 0))),
    ("stride zero", R.TENSOR_LAYOUT, "w", lambda: holding(strides=(0, 1))),
    ("rows that overlap", R.TENSOR_LAYOUT, "w", lambda: holding(strides=(2, 1))),
    ("a negative stride", R.PICKLE_VALUE, "_rebuild_tensor_v2", lambda: holding(strides=(-3, 1))),
    ("a negative shape", R.PICKLE_VALUE, "_rebuild_tensor_v2", lambda: holding(shape=(-2, -3))),
    ("a boolean shape", R.PICKLE_VALUE, "_rebuild_tensor_v2", lambda: holding(hooks=b"\x88")),
    (
        "nine dimensions",
        R.PICKLE_VALUE,
        "_rebuild_tensor_v2",
        lambda: holding(shape=(1,) * 9, strides=(1,) * 9),
    ),
    ("a stride too few", R.PICKLE_VALUE, "_rebuild_tensor_v2", lambda: holding(strides=(1,))),
    ("a size of 2^2000", R.PICKLE_VALUE, "storage", lambda: holding(numel=2**2000)),
    ("a negative bit", R.PICKLE_VALUE, "_rebuild_tensor_v2", lambda: holding(more=(mapping(neg=b"\x88"),))),
    ("another persistent id", R.PICKLE_VALUE, "storage", lambda: pth(mapping(w=storage(tag="module")))),
    ("a storage for a tensor", R.PICKLE_VALUE, "w", lambda: pth(mapping(w=storage()))),
    ("quantised values", R.PICKLES_CODE, "QInt8Storage", lambda: holding(kind="QInt8Storage")),
    (
        "complex values",
        R.PICKLES_CODE,
        "ComplexFloat",
        lambda: torch_file({"w": torch.ones(2, dtype=torch.cfloat)}),
    ),
    (
        "a sparse tensor",
        R.PICKLES_CODE,
        "_rebuild_sparse_tensor",
        lambda: torch_file({"w": torch.eye(2).to_sparse()}),
    ),
    (
        "two tensors of one storage",
        R.STORAGE_SHARED,
        "b and a",
        lambda: torch_file({"a": ONES, "b": ONES.view(6)}),
    ),
    ("a slice", R.STORAGE_SIZE, "w", lambda: torch_file({"w": torch.ones(4, 4)[1:]})),
    ("20,001 members", R.TOO_MANY_MEMBERS, "", lambda: zipped([(f"a/data/{i}", b"") for i in range(20_001)])),
    # Zip archives.
    ("a cut zip", R.ARCHIVE_DAMAGED, "end of zip", lambda: holding()[:-1]),
    ("a zip with a comment", R.ARCHIVE_DAMAGED, "end of zip", lambda: holding() + b"x"),
    (
        "a deflated .pth",
        R.MEMBER_COMPRESSED,
        "data.pkl",
        lambda: zipped(
            [("a/data.pkl", pickled(mapping(w=tensor()))), ("a/data/0", bytes(24))], zipfile.ZIP_DEFLATED
        ),
    ),
    (
        "a deflated bomb",
        R.TOO_LARGE,
        "a/data/0",
        lambda: zipped([("a/data.pkl", pickled(b"}")), ("a/data/0", bytes(LIMIT))], zipfile.ZIP_DEFLATED),
    ),
    (
        "a bzip2 member",
        R.MEMBER_COMPRESSED,
        "mask.pth",
        lambda: zipped([("level_1/main/mask.pth", b"x")], zipfile.ZIP_BZIP2),
    ),
    ("a .. in a zip", R.MEMBER_NAME, "../data.pkl", lambda: zipped([("a/../data.pkl", b"")])),
    ("an absolute path", R.MEMBER_NAME, "/etc", lambda: zipped([("/etc/passwd", b"")])),
    ("a backslash", R.MEMBER_NAME, "evil", lambda: zipped([("a\\..\\evil", b"")])),
    ("a drive", R.MEMBER_NAME, "C:", lambda: zipped([("C:/evil", b"")])),
    (
        "a NUL in a zip's name",
        R.MEMBER_NAME,
        r"\x00",
        lambda: zipped([("a/xdata.pkl", b"")]).replace(b"a/xdata", b"a/\0data"),
    ),
    (
        "a name twice",
        R.MEMBER_TWICE,
        "a/data/1",
        lambda: pth(mapping(w=tensor()), ("a/data/1", b"1"), ("a/data/2", b"2")).replace(
            b"data/2", b"data/1"
        ),
    ),
    ("members that overlap", R.ARCHIVE_OVERLAP, "a/data/1", overlapping),
    ("another name inside", R.ARCHIVE_HEADERS_DISAGREE, "a/data.pkl", lambda: disagreeing(30, b"b")),
    ("another size inside", R.ARCHIVE_HEADERS_DISAGREE, "a/data.pkl", lambda: disagreeing(22, b"\x07")),
    ("another method inside", R.ARCHIVE_HEADERS_DISAGREE, "a/data.pkl", lambda: disagreeing(8, b"\x08")),
    ("encrypted members", R.MEMBER_ENCRYPTED, "a/data.pkl", encrypted),
    ("65,535 announced members", R.TOO_MANY_MEMBERS, "zip directory", lambda: directory_claim(65_535, 100)),
    ("a directory of 1 GB", R.TOO_MANY_MEMBERS, "zip directory", lambda: directory_claim(3, 1 << 30)),
    ("a directory beyond the file", R.ARCHIVE_DAMAGED, "zip directory", lambda: directory_claim(3, 1 << 20)),
    (
        "two pickles",
        R.MEMBER_MISSING,
        "data.pkl",
        lambda: pth(mapping(w=tensor()), ("b/data.pkl", b"\x80\x02}.")),
    ),
    (
        "a link in a zip",
        R.MEMBER_KIND,
        "mask.pth",
        lambda: zipped([("level_1/main/mask.pth", b"/etc/passwd")], mode=0o120777),
    ),
    (
        "a damaged pickle",
        R.ARCHIVE_DAMAGED,
        "data.pkl",
        lambda: holding().replace(b"OrderedDict", b"OrderedDicu"),
    ),
    # Tar archives.
    ("a cut tar", R.ARCHIVE_DAMAGED, "tar", lambda: level(mask=MASK, model=MODEL)[:2000]),
    (
        "a tar without its end",
        R.ARCHIVE_DAMAGED,
        "end of tar",
        lambda: level_file("mask.pth", b"x" * 512)[:1024],
    ),
    ("a gzip bomb", R.TOO_LARGE, "tar", lambda: gzip.compress(tarred(("a", b"")) + bytes(1 << 27))),
    ("a gzip bomb in a member", R.TOO_LARGE, "a", lambda: tarred(("a", bytes(LIMIT + 1)), mode="w:gz")),
    ("a cut gzip", R.ARCHIVE_DAMAGED, "gzip", lambda: gzip.compress(level(mask=MASK))[:-9]),
    (
        "a gzip with a wrong checksum",
        R.ARCHIVE_DAMAGED,
        "gzip",
        lambda: gzip.compress(level(mask=MASK, model=MODEL))[:-8] + bytes(8),
    ),
    ("gzip of something else", R.ARCHIVE_DAMAGED, "gzip", lambda: gzip.compress(b"x" * 4096)),
    ("a symbolic link", R.MEMBER_KIND, "mask.pth", lambda: special(tarfile.SYMTYPE, "/etc/passwd")),
    ("a hard link", R.MEMBER_KIND, "mask.pth", lambda: special(tarfile.LNKTYPE, "/etc/passwd")),
    ("a device", R.MEMBER_KIND, "mask.pth", lambda: special(tarfile.CHRTYPE)),
    ("a pipe", R.MEMBER_KIND, "mask.pth", lambda: special(tarfile.FIFOTYPE)),
    ("a sparse file", R.MEMBER_KIND, "mask.pth", lambda: special(tarfile.GNUTYPE_SPARSE)),
    ("a sparse file of 1 TiB", R.TOO_LARGE, "mask.pth", sparse_tar),
    ("a header of 2 MiB", R.MEMBER_NAME, "", long_header),
    ("a .. in a tar", R.MEMBER_NAME, "..", lambda: tarred(("../../tmp/x", b"x"))),
    ("an absolute path in a tar", R.MEMBER_NAME, "/tmp", lambda: tarred(("/tmp/x", b"x"))),
    ("a file twice", R.MEMBER_TWICE, "a", lambda: tarred(("a", b"1"), ("./a", b"2"))),
    (
        "20,001 files",
        R.TOO_MANY_MEMBERS,
        "archive",
        lambda: tarred(*((f"d/{i}", b"") for i in range(20_001)), mode="w:gz"),
    ),
    (
        "a bomb in a level's mask",
        R.PICKLES_CODE,
        "posix.system",
        lambda: level(mask=torch_file({"a": Bomb()}), model=MODEL),
    ),
    # Safetensors.
    (
        "a header beyond the file",
        R.SAFETENSORS_HEADER,
        "header",
        lambda: (999).to_bytes(8, "little") + b'{"a":1}',
    ),
    ("a header of 1 GB", R.CONTAINER_UNKNOWN, "byte 0", lambda: (1 << 40).to_bytes(8, "little") + b"{"),
    ("a header of 5 MiB", R.SAFETENSORS_HEADER, "byte 0", lambda: (5 << 20).to_bytes(8, "little") + b"{"),
    (
        "an endless shape",
        R.SAFETENSORS_HEADER,
        "header",
        lambda: safetensors({"a": entry("F32", [2**40, 2**40], 0, 4)}, bytes(4)),
    ),
    (
        "bytes that nobody owns",
        R.SAFETENSORS_HEADER,
        "header",
        lambda: safetensors({"a": entry("F32", [1], 0, 4)}, bytes(8)),
    ),
    (
        "tensors that overlap",
        R.SAFETENSORS_HEADER,
        "header",
        lambda: safetensors({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 0, 4)}, bytes(4)),
    ),
    ("8-bit floats", R.TENSOR_DTYPE, "a", lambda: safetensors({"a": entry("F8_E4M3", [4], 0, 4)}, bytes(4))),
]
LATE: list[tuple[str, Reason, str, Callable[[], bytes]]] = [
    # Pickles that are broken or too much.
    ("a dict without tensors", R.STATE_MISSING, "file", lambda: pth(mapping(a=number(1)))),
    (
        "two networks",
        R.STATE_AMBIGUOUS,
        "file",
        lambda: torch_file({"a": {"w": ONES}, "b": {"w": ONES.clone()}}),
    ),
    # Tensors that are not what they say.
    ("a path for a name", R.TENSOR_NAME, "etc/passwd", lambda: torch_file({"../../etc/passwd": ONES})),
    ("a name with a newline", R.TENSOR_NAME, r"w\n", lambda: torch_file({"w\n": ONES})),
    ("a name of 257 letters", R.TENSOR_NAME, "aaa", lambda: torch_file({"a" * 257: ONES})),
    ("a lone surrogate", R.TENSOR_NAME, r"\ud800", lambda: pth(b"}" + text("\ud800") + tensor() + b"s")),
    ("NaN", R.NOT_FINITE, "fc.weight[6]", lambda: flat(float("nan"))),
    ("infinity", R.NOT_FINITE, "fc.weight[6]", lambda: flat(float("-inf"))),
    (
        "float64 beyond float32",
        R.NOT_FINITE,
        "w[0]",
        lambda: torch_file({"w": torch.tensor([1e300], dtype=torch.float64)}),
    ),
    (
        "a boolean of 2",
        R.MASK_VALUE,
        "w",
        lambda: zipped(
            [("a/data.pkl", pickled(mapping(w=tensor(kind="BoolStorage")))), ("a/data/0", b"\x02" * 6)]
        ),
    ),
    # Masks.
    ("a mask of 2", R.MASK_VALUE, "conv.weight[4]", lambda: masked(torch.tensor([[1, 0, 1], [0, 2, 1]]))),
    ("a mask of 0.5", R.MASK_VALUE, "conv.weight[0]", lambda: masked(ONES / 2)),
    ("a mask of NaN", R.MASK_VALUE, "conv.weight[0]", lambda: masked(ONES * float("nan"))),
    ("a mask of −1", R.MASK_VALUE, "conv.weight[0]", lambda: masked(-ONES.int())),
    ("a mask of another shape", R.MASK_SHAPE, "conv.weight", lambda: masked(torch.ones(3, 2))),
    (
        "an original without its mask",
        R.TENSOR_MISSING,
        "fc.weight_orig",
        lambda: masked(ONES, **{"fc.weight_orig": torch.ones(2)}),
    ),
    (
        "an original and the tensor",
        R.TENSOR_UNEXPECTED,
        "conv.weight",
        lambda: masked(ONES, **{"conv.weight": torch.ones(2)}),
    ),
    (
        "a mask of a bias",
        R.MASK_NOT_PRUNABLE,
        "fc.bias",
        lambda: torch_file({"fc.bias": torch.ones(2), "fc.bias_mask": torch.tensor([1.0, 0.0])}),
    ),
    # Tar archives.
    ("an archive of something else", R.FORMAT_UNKNOWN, "archive", lambda: tarred(("README.md", b"hello"))),
    ("a level without a model", R.MEMBER_MISSING, "archive", lambda: level(mask=MASK)),
    (
        "a mask of no weight",
        R.MASK_WITHOUT_WEIGHT,
        "fc.weight",
        lambda: level(mask=MASK, model=torch_file({"w": ONES})),
    ),
    (
        "a report of another density",
        R.REPORT_DISAGREES,
        "sparsity_ratio",
        lambda: level(mask=MASK, model=MODEL, report=b'{"sparsity_ratio": 0.4}'),
    ),
    (
        "a report of NaN",
        R.REPORT_SYNTAX,
        "sparsity_report",
        lambda: level(mask=MASK, model=MODEL, report=b'{"sparsity_ratio": NaN}'),
    ),
    (
        "a report of 100,000 lists",
        R.REPORT_SYNTAX,
        "sparsity_report",
        lambda: level(mask=MASK, model=MODEL, report=b"[" * 60_000),
    ),
    # Safetensors.
    (
        "20,001 tensors",
        R.TOO_MANY_TENSORS,
        "file",
        lambda: safetensors({f"t{i}": entry("U8", [0], 0, 0) for i in range(20_001)}),
    ),
    (
        "a safetensors boolean of 5",
        R.MASK_VALUE,
        "a",
        lambda: safetensors({"a": entry("BOOL", [1], 0, 1)}, b"\x05"),
    ),
]
TABLE = [*EARLY, *LATE]


@pytest.fixture(autouse=True)
def _no_marker() -> Any:
    MARKER.unlink(missing_ok=True)
    yield
    assert not MARKER.exists(), "code of the file was run"


def refusal(content: bytes, folder: Path, reader: Callable[[Path], Any]) -> Unreadable:
    path = folder / "upload"
    path.write_bytes(content)
    with pytest.raises(Unreadable) as caught:
        reader(path)
    assert [left.name for left in folder.iterdir()] == ["upload"]
    return caught.value


class TestAttacks:
    @pytest.mark.parametrize(
        ("reason", "where", "attack"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
    )
    def test_refused_with_the_reason(
        self, tmp_path: Path, reason: Reason, where: str, attack: Callable[[], bytes]
    ) -> None:
        found = refusal(attack(), tmp_path, lambda path: read_foreign(path, scratch=tmp_path, limit=LIMIT))
        assert found.reason is reason, str(found)
        assert where in found.where, str(found)
        assert found.accepted
        assert str(found).isprintable()
        assert len(found.where) < 300

    @pytest.mark.parametrize(
        ("reason", "attack"), [row[1::2] for row in EARLY], ids=[row[0] for row in EARLY]
    )
    def test_refused_at_upload(self, tmp_path: Path, reason: Reason, attack: Callable[[], bytes]) -> None:
        assert refusal(attack(), tmp_path, lambda path: precheck(path, path.parent, LIMIT)).reason is reason

    def test_the_table_has_every_reason_of_a_file_by_itself(self) -> None:
        elsewhere = {
            Reason.MASK_DTYPE,
            Reason.MASK_COUNT,
            Reason.ARCHITECTURE_UNKNOWN,
            Reason.FORMAT_MISMATCH,
            Reason.LEVEL_MISSING,
            Reason.STEP_UNKNOWN,
            Reason.TENSOR_SHAPE,
        }
        assert {row[1] for row in TABLE} | elsewhere == set(Reason)

    @pytest.mark.parametrize("kind", ["pth", "tar", "gzip", "safetensors"])
    def test_cut_at_every_kibibyte(self, tmp_path: Path, kind: str) -> None:
        noise = torch_file({"fc.weight": torch.rand(40, 60)})
        content = {
            "pth": noise,
            "tar": level(mask=MASK, model=noise),
            "gzip": gzip.compress(level(mask=MASK, model=noise)),
            "safetensors": safetensors({"a": entry("F32", [3000], 0, 12000)}, bytes(12000)),
        }[kind]
        assert len(content) > 8192
        # Beyond its end a tar is padded with zeros, any number of them.
        for size in range(0, len(content.rstrip(b"\0")), 1024):
            refusal(content[:size], tmp_path, lambda path: precheck(path, path.parent, LIMIT))
            refusal(content[:size], tmp_path, lambda path: read_foreign(path, scratch=tmp_path, limit=LIMIT))

    @pytest.mark.parametrize("kind", ["pth", "zip", "tar", "gzip", "safetensors"])
    def test_random_damage_is_refused_or_read(self, tmp_path: Path, kind: str) -> None:
        members = [("level_1/main/mask.pth", MASK), ("level_1/main/model_ep0_it0.pth", MODEL)]
        content = {
            "pth": masked(ONES),
            "zip": zipped(members, zipfile.ZIP_DEFLATED),
            "tar": tarred(*members),
            "gzip": tarred(*members, mode="w:gz"),
            "safetensors": safetensors({"a": entry("F32", [3], 0, 12)}, bytes(12)),
        }[kind]
        dice = random.Random(0)
        for _ in range(300):
            changed = bytearray(content)
            for _ in range(dice.choice([1, 1, 4])):
                changed[dice.randrange(len(changed))] = dice.randrange(256)
            path = tmp_path / "upload"
            path.write_bytes(changed)
            with contextlib.suppress(Unreadable):
                precheck(path, path.parent, LIMIT)
            with contextlib.suppress(Unreadable):
                read_foreign(path, scratch=tmp_path, limit=LIMIT)

    def test_bombs_take_little_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "upload"
        shared = b"]q\x01" + b"".join(
            b"](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(1, 60)
        )
        bombs = [
            gzip.compress(tarred(("a", b"")) + bytes(1 << 27)),
            pth(mapping(w=tensor(shape=(2**40, 2**12), strides=(0, 0)))),
            # Sixty lists of twice the list before: 2^60 leaves to whoever walks them one by one.
            pth(tuple_of(shared)),
        ]
        for bomb in bombs:
            path.write_bytes(bomb)
            tracemalloc.start()
            with pytest.raises(Unreadable):
                read_foreign(path, scratch=tmp_path, limit=LIMIT)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 3 * LIMIT

    def test_the_bombs_are_live(self) -> None:
        """An unpickler would run them: without this the table could be full of duds."""
        opcodes = [opcode.name for opcode, _, _ in pickletools.genops(pickled(GLOBAL_SYSTEM))]
        assert opcodes == ["PROTO", "GLOBAL", "MARK", "BINUNICODE", "TUPLE", "REDUCE", "STOP"]
        pickle.loads(pickled(GLOBAL_SYSTEM))  # noqa: S301
        assert MARKER.exists()
        MARKER.unlink()
