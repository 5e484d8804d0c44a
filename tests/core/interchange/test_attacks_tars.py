"""The attack table, tar archives, plain and compressed.

Every file must end in the reason that says what is wrong.
"""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from core.interchange.failure import Reason, Unreadable

R = Reason
Attack = Callable[[Any], bytes]
Refusal = Callable[..., Unreadable]


# What is wrong, the reason, a part of where, the file as `build` makes it.
TABLE: list[tuple[str, Reason, str, Attack]] = [
    # Tar archives.
    ("a cut tar", R.ARCHIVE_DAMAGED, "tar", lambda b: b.level(mask=b.MASK, model=b.MODEL)[:2000]),
    (
        "a tar without its end",
        R.ARCHIVE_DAMAGED,
        "end of tar",
        lambda b: b.tar_of(("level_1/main/mask.pth", b"x" * 512))[:1024],
    ),
    ("a gzip bomb", R.TOO_LARGE, "tar", lambda b: gzip.compress(b.tar_of(("a", b"")) + bytes(1 << 27))),
    ("a gzip bomb in a member", R.TOO_LARGE, "a", lambda b: b.tar_of(("a", bytes(b.LIMIT + 1)), mode="w:gz")),
    ("a cut gzip", R.ARCHIVE_DAMAGED, "gzip", lambda b: gzip.compress(b.level(mask=b.MASK))[:-9]),
    (
        "a gzip with a wrong checksum",
        R.ARCHIVE_DAMAGED,
        "gzip",
        lambda b: gzip.compress(b.level(mask=b.MASK, model=b.MODEL))[:-8] + bytes(8),
    ),
    ("gzip of something else", R.ARCHIVE_DAMAGED, "tar header", lambda b: gzip.compress(b"x" * 4096)),
    ("a symbolic link", R.MEMBER_KIND, "mask.pth", lambda b: b.special(tarfile.SYMTYPE, "/etc/passwd")),
    ("a hard link", R.MEMBER_KIND, "mask.pth", lambda b: b.special(tarfile.LNKTYPE, "/etc/passwd")),
    ("a device", R.MEMBER_KIND, "mask.pth", lambda b: b.special(tarfile.CHRTYPE)),
    ("a pipe", R.MEMBER_KIND, "mask.pth", lambda b: b.special(tarfile.FIFOTYPE)),
    ("a sparse file", R.MEMBER_KIND, "mask.pth", lambda b: b.special(tarfile.GNUTYPE_SPARSE)),
    (
        "a sparse file of 1 TiB",
        R.MEMBER_KIND,
        "GNU.sparse",
        lambda b: b.pax(GNU_sparse_major="0", GNU_sparse_map="0,0", GNU_sparse_size=str(1 << 40)),
    ),
    ("a header of 2 MiB", R.MEMBER_NAME, "", lambda b: b.pax(comment="x" * (2 << 20))),
    ("a .. in a tar", R.MEMBER_NAME, "..", lambda b: b.tar_of(("../../tmp/x", b"x"))),
    ("an absolute path in a tar", R.MEMBER_NAME, "/tmp", lambda b: b.tar_of(("/tmp/x", b"x"))),
    ("a file twice", R.MEMBER_TWICE, "a", lambda b: b.tar_of(("a", b"1"), ("./a", b"2"))),
    (
        "20,001 files",
        R.TOO_MANY_MEMBERS,
        "archive",
        lambda b: b.tar_of(*((f"d/{i}", b"") for i in range(20_001)), mode="w:gz"),
    ),
    (
        "a bomb in a level's mask",
        R.PICKLES_CODE,
        "posix.system",
        lambda b: b.level(mask=b.saved({"a": b.Bomb()}), model=b.MODEL),
    ),
    # Extended headers of a tar.
    ("a size of −512", R.MEMBER_KIND, "size", lambda b: b.pax(size="-512")),
    ("another size", R.MEMBER_KIND, "size", lambda b: b.pax(size="12")),
    ("names in no charset", R.MEMBER_KIND, "hdrcharset", lambda b: b.pax(hdrcharset="BINARY")),
    ("a sparse file of star", R.MEMBER_KIND, "realsize", lambda b: b.pax(SCHILY_realsize="99")),
    (
        "a long name and pax",
        R.MEMBER_NAME,
        "extended",
        lambda b: b.blocks(b.block("l", b"a\0", b"L"), b.block("p", b"9 path=b\n", b"x"), b.block("c")),
    ),
    (
        "a global name",
        R.MEMBER_NAME,
        "extended",
        lambda b: b.blocks(b.block("g", b"9 path=b\n", b"g"), b.block("c")),
    ),
    (
        "two pax headers",
        R.MEMBER_NAME,
        "'x'",
        lambda b: b.blocks(b.block("p", b"", b"x"), b.block("p", b"", b"x"), b.block("c")),
    ),
    (
        "more behind a NUL",
        R.ARCHIVE_DAMAGED,
        "long name",
        lambda b: b.blocks(b.block("l", b"a\0b", b"L"), b.block("c")),
    ),
    (
        "two names in one header",
        R.ARCHIVE_DAMAGED,
        "pax",
        lambda b: b.blocks(b.block("p", b"9 path=b\n9 path=c\n", b"x"), b.block("c")),
    ),
    *(
        (
            f"a pax record {record!r}",
            R.ARCHIVE_DAMAGED,
            "pax",
            lambda b, record=record: b.blocks(b.block("p", record, b"x"), b.block("c")),
        )
        for record in (
            b"1" * 4000,
            b"99 path=b\n",
            b"9 path=bc",
            b"0 a=b\n",
            b"2 ",
            b"5 ab\n",
            b"-9 a=b\n",
            b"\0",
        )
    ),
    ("a pax name with a NUL", R.MEMBER_NAME, r"\x00", lambda b: b.pax(path="a\0b")),
    (
        "a size below zero",
        R.ARCHIVE_DAMAGED,
        "tar header",
        lambda b: b.blocks(b.block("a", size=b"\xff" * 12)),
    ),
    ("a size of 2^80", R.TOO_LARGE, "a", lambda b: b.blocks(b.block("a", size=b"\x80\x01" + bytes(10)))),
    ("a size in words", R.ARCHIVE_DAMAGED, "tar header", lambda b: b.blocks(b.block("a", size=b"one"))),
    ("a folder with bytes", R.MEMBER_KIND, "a/", lambda b: b.blocks(b.block("a/", b"x"))),
    ("a wrong checksum", R.ARCHIVE_DAMAGED, "tar header", lambda b: b.blocks(b"b" + b.block("a")[1:])),
    ("a tar behind the tar", R.ARCHIVE_DAMAGED, "end of tar", lambda b: b.blocks(b.block("a")) * 2),
    ("a header of nothing", R.ARCHIVE_DAMAGED, "end of tar", lambda b: b.blocks(b.block("p", b"", b"x"))),
]


class TestTars:
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
