"""The attack table, containers: zip, safetensors, and what is none of them; all of them cut and damaged.

Every file must end in the reason that says what is wrong.
"""

from __future__ import annotations

import contextlib
import gzip
import pickle
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.interchange.failure import Reason, Unreadable
from core.interchange.importing import precheck, read_foreign

R = Reason
Attack = Callable[[Any], bytes]
Refusal = Callable[..., Unreadable]


def overlapping(b: Any) -> bytes:
    """Two directory entries for the same bytes: a small file that unpacks to twice its size."""
    content = b.zipped(
        [("a/data.pkl", b.pickled(b.mapping(w=b.tensor()))), ("a/data/0", bytes(24)), ("a/data/1", bytes(24))]
    )
    first = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    second = content.index(b"PK\x01\x02", first + 4)
    changed = bytearray(content)
    changed[second + 42 : second + 46] = content[first + 42 : first + 46]
    return bytes(changed)


# What is wrong, the reason, a part of where, the file as `build` makes it.
TABLE: list[tuple[str, Reason, str, Attack]] = [
    ("an empty file", R.CONTAINER_UNKNOWN, "byte 0", lambda b: b""),
    ("a picture", R.CONTAINER_UNKNOWN, "byte 0", lambda b: b"\x89PNG\r\n\x1a\n" + bytes(300)),
    ("a bare pickle", R.TORCH_LEGACY, "byte 0", lambda b: pickle.dumps({"a": 1})),
    ("a bare pickle bomb", R.TORCH_LEGACY, "byte 0", lambda b: pickle.dumps(b.Bomb())),
    ("a bare pickle bomb, protocol 2", R.TORCH_LEGACY, "byte 0", lambda b: pickle.dumps(b.Bomb(), 2)),
    ("a text pickle bomb", R.CONTAINER_UNKNOWN, "byte 0", lambda b: pickle.dumps(b.Bomb(), 0)),
    ("torch before 1.6", R.TORCH_LEGACY, "byte 0", lambda b: b.legacy({"a": torch.ones(2)})),
    (
        "TorchScript",
        R.TORCHSCRIPT,
        "a/",
        lambda b: b.pth(
            b.mapping(w=b.tensor()), ("a/code/__torch__.py", b"x = 1"), ("a/constants.pkl", b"\x80\x02).")
        ),
    ),
    (
        "a big-endian file",
        R.BYTE_ORDER,
        "byteorder",
        lambda b: b.pth(b.mapping(w=b.tensor()), ("a/byteorder", b"big")),
    ),
    # Zip archives.
    ("a cut zip", R.ARCHIVE_DAMAGED, "end of zip", lambda b: b.holding()[:-1]),
    ("a zip with a comment", R.ARCHIVE_DAMAGED, "end of zip", lambda b: b.holding() + b"x"),
    (
        "a deflated .pth",
        R.MEMBER_COMPRESSED,
        "data.pkl",
        lambda b: b.zipped(
            [("a/data.pkl", b.pickled(b.mapping(w=b.tensor()))), ("a/data/0", bytes(24))],
            zipfile.ZIP_DEFLATED,
        ),
    ),
    (
        "a deflated bomb",
        R.TOO_LARGE,
        "a/data/0",
        lambda b: b.zipped(
            [("a/data.pkl", b.pickled(b"}")), ("a/data/0", bytes(b.LIMIT))], zipfile.ZIP_DEFLATED
        ),
    ),
    (
        "a bzip2 member",
        R.MEMBER_COMPRESSED,
        "mask.pth",
        lambda b: b.zipped([("level_1/main/mask.pth", b"x")], zipfile.ZIP_BZIP2),
    ),
    ("a .. in a zip", R.MEMBER_NAME, "../data.pkl", lambda b: b.zipped([("a/../data.pkl", b"")])),
    ("an absolute path", R.MEMBER_NAME, "/etc", lambda b: b.zipped([("/etc/passwd", b"")])),
    ("a backslash", R.MEMBER_NAME, "evil", lambda b: b.zipped([("a\\..\\evil", b"")])),
    ("a drive", R.MEMBER_NAME, "C:", lambda b: b.zipped([("C:/evil", b"")])),
    (
        "a NUL in a zip's name",
        R.MEMBER_NAME,
        r"\x00",
        lambda b: b.zipped([("a/xdata.pkl", b"")]).replace(b"a/xdata", b"a/\0data"),
    ),
    (
        "a name twice",
        R.MEMBER_TWICE,
        "a/data/1",
        lambda b: b.pth(b.mapping(w=b.tensor()), ("a/data/1", b"1"), ("a/data/2", b"2")).replace(
            b"data/2", b"data/1"
        ),
    ),
    ("members that overlap", R.ARCHIVE_OVERLAP, "a/data/1", overlapping),
    ("another name inside", R.ARCHIVE_HEADERS_DISAGREE, "a/data.pkl", lambda b: b.disagreeing(30, b"b")),
    ("another size inside", R.ARCHIVE_HEADERS_DISAGREE, "a/data.pkl", lambda b: b.disagreeing(22, b"\x07")),
    ("another method inside", R.ARCHIVE_HEADERS_DISAGREE, "a/data.pkl", lambda b: b.disagreeing(8, b"\x08")),
    ("encrypted members", R.MEMBER_ENCRYPTED, "a/data.pkl", lambda b: b.flagged(1)),
    (
        "65,535 announced members",
        R.TOO_MANY_MEMBERS,
        "zip directory",
        lambda b: b.directory_claim(65_535, 100),
    ),
    ("a directory of 1 GB", R.TOO_MANY_MEMBERS, "zip directory", lambda b: b.directory_claim(3, 1 << 30)),
    (
        "a directory beyond the file",
        R.ARCHIVE_DAMAGED,
        "zip directory",
        lambda b: b.directory_claim(3, 1 << 20),
    ),
    (
        "two pickles",
        R.MEMBER_MISSING,
        "data.pkl",
        lambda b: b.pth(b.mapping(w=b.tensor()), ("b/data.pkl", b"\x80\x02}.")),
    ),
    (
        "a link in a zip",
        R.MEMBER_KIND,
        "mask.pth",
        lambda b: b.zipped([("level_1/main/mask.pth", b"/etc/passwd")], mode=0o120777),
    ),
    (
        "a damaged pickle",
        R.ARCHIVE_DAMAGED,
        "data.pkl",
        lambda b: b.holding().replace(b"OrderedDict", b"OrderedDicu"),
    ),
    # Zip archives that say two things.
    ("zip64 without its record", R.ARCHIVE_DAMAGED, "end of zip", lambda b: b.wide_end(b"XXXX")),
    ("zip64 of another length", R.ARCHIVE_DAMAGED, "end of zip", lambda b: b.wide_end(length=1)),
    (
        "zip64 of 1 GB",
        R.TOO_MANY_MEMBERS,
        "zip directory",
        lambda b: b.wide_end(length=1 << 30, wide=True),
    ),
    ("a patch", R.MEMBER_COMPRESSED, "a/data.pkl", lambda b: b.flagged(0x20)),
    # Safetensors.
    (
        "a header beyond the file",
        R.SAFETENSORS_HEADER,
        "header",
        lambda b: (999).to_bytes(8, "little") + b'{"a":1}',
    ),
    ("a header of 1 GB", R.CONTAINER_UNKNOWN, "byte 0", lambda b: (1 << 40).to_bytes(8, "little") + b"{"),
    ("a header of 5 MiB", R.SAFETENSORS_HEADER, "byte 0", lambda b: (5 << 20).to_bytes(8, "little") + b"{"),
    (
        "an endless shape",
        R.SAFETENSORS_HEADER,
        "header",
        lambda b: b.safetensors({"a": b.entry("F32", [2**40, 2**40], 0, 4)}, bytes(4)),
    ),
    (
        "bytes that nobody owns",
        R.SAFETENSORS_HEADER,
        "header",
        lambda b: b.safetensors({"a": b.entry("F32", [1], 0, 4)}, bytes(8)),
    ),
    (
        "tensors that overlap",
        R.SAFETENSORS_HEADER,
        "header",
        lambda b: b.safetensors({"a": b.entry("F32", [1], 0, 4), "b": b.entry("F32", [1], 0, 4)}, bytes(4)),
    ),
    (
        "8-bit floats",
        R.TENSOR_DTYPE,
        "a",
        lambda b: b.safetensors({"a": b.entry("F8_E4M3", [4], 0, 4)}, bytes(4)),
    ),
    (
        "a shape of 2^62",
        R.SAFETENSORS_HEADER,
        "header",
        lambda b: b.safetensors({"a": b.entry("F32", [0, 2**62], 0, 0)}),
    ),
    (
        "an empty endless shape",
        R.TENSOR_SHAPE,
        "a",
        lambda b: b.safetensors({"a": b.entry("F32", [0, 2**40, 2**40], 0, 0)}),
    ),
    (
        "100 dimensions",
        R.TENSOR_SHAPE,
        "a",
        lambda b: b.safetensors({"a": b.entry("F32", [1] * 100, 0, 4)}, bytes(4)),
    ),
    (
        "a name twice in a header",
        R.SAFETENSORS_HEADER,
        "header",
        lambda b: b.safetensors(b"{%b,%b}" % ((b'"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}',) * 2)),
    ),
    (
        "20,001 tensors",
        R.TOO_MANY_TENSORS,
        "file",
        lambda b: b.safetensors({f"t{i}": b.entry("U8", [0], 0, 0) for i in range(20_001)}),
    ),
    (
        "a terrible name in a broken header",
        R.SAFETENSORS_HEADER,
        "header",
        lambda b: b.safetensors({"a\0\n\u202e" * 100: b.entry("F32", [1], 4, 8)}, bytes(8)),
    ),
]


class TestContainers:
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

    @pytest.mark.parametrize("kind", ["pth", "tar", "gzip", "safetensors"])
    def test_cut_at_every_kibibyte(self, build: Any, refusal: Refusal, kind: str) -> None:
        noise = build.saved({"fc.weight": torch.rand(40, 60)})
        content = {
            "pth": noise,
            "tar": build.level(mask=build.MASK, model=noise),
            "gzip": gzip.compress(build.level(mask=build.MASK, model=noise)),
            "safetensors": build.safetensors({"a": build.entry("F32", [3000], 0, 12000)}, bytes(12000)),
        }[kind]
        assert len(content) > 8192
        # Beyond its end a tar is padded with zeros, any number of them.
        for size in range(0, len(content.rstrip(b"\0")), 1024):
            refusal(content[:size], early=True)
            refusal(content[:size])

    @pytest.mark.parametrize("kind", ["pth", "zip", "tar", "gzip", "safetensors"])
    def test_random_damage_is_refused_or_read(self, build: Any, tmp_path: Path, kind: str) -> None:
        members = [("level_1/main/mask.pth", build.MASK), ("level_1/main/model_ep0_it0.pth", build.MODEL)]
        content = {
            "pth": build.masked(build.ONES),
            "zip": build.zipped(members, zipfile.ZIP_DEFLATED),
            "tar": build.tar_of(*members),
            "gzip": build.tar_of(*members, mode="w:gz"),
            "safetensors": build.safetensors({"a": build.entry("F32", [3], 0, 12)}, bytes(12)),
        }[kind]
        dice = random.Random(0)
        for _ in range(300):
            changed = bytearray(content)
            for _ in range(dice.choice([1, 1, 4])):
                changed[dice.randrange(len(changed))] = dice.randrange(256)
            path = tmp_path / "upload"
            path.write_bytes(changed)
            with contextlib.suppress(Unreadable):
                precheck(path, path.parent, build.LIMIT)
            with contextlib.suppress(Unreadable):
                read_foreign(path, scratch=tmp_path, limit=build.LIMIT)

    @pytest.mark.parametrize(
        "bomb",
        [
            lambda b: gzip.compress(b.tar_of(("a", b"")) + bytes(1 << 27)),
            lambda b: gzip.compress(b.blocks(b.block("p", b"1" * (1 << 20), b"x"), b.block("a"))),
            lambda b: gzip.compress(b.blocks(*[b.block("p", b"", b"x")] * 3000, b.block("a"))),
            lambda b: b.holding(shape=(2**40, 2**12), strides=(0, 0)),
            # Sixty lists of twice the list before: 2^60 leaves to whoever walks them one by one.
            lambda b: b.pth(
                b.tuple_of(
                    b"]q\x01",
                    *(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(1, 60)),
                )
            ),
        ],
        ids=["gzip", "a pax header", "headers of headers", "stride zero", "lists"],
    )
    def test_bombs_take_little_memory(self, build: Any, refusal: Refusal, bomb: Attack) -> None:
        content = bomb(build)
        tracemalloc.start()
        refusal(content)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3 * build.LIMIT
