"""Zip archives from strangers: whatever two readers could understand in two ways is refused."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from core.interchange.budget import MOST_MEMBERS, Budget
from core.interchange.failure import Reason, Unreadable
from core.tickets.failure import quoted

# The directory is parsed into objects ten times its size.
LARGEST_DIRECTORY = 4 << 20
CHUNK = 1 << 20

_END = struct.Struct("<4s4H2LH")
# Of zip64: the end of the directory, from its count on, and the locator of that end.
_WIDE_END = struct.Struct("<4s28x2Q8x4s16x")
_LOCAL = struct.Struct("<4s5H3L2H")
_DESCRIBED = 0x08
_ENCRYPTED = 0x01 | 0x40 | 0x2000
_PATCHED = 0x20
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, ValueError, struct.error)


@dataclass(frozen=True)
class Stored:
    """A member of a zip that lies in the file as it is: its bytes are [start, start + size)."""

    start: int
    size: int
    crc: int


def zip_members(stream: BinaryIO, limit: int, *, stored: bool) -> dict[str, zipfile.ZipInfo]:
    """The members of a zip, all of it checked against itself; only uncompressed ones if `stored`.

    Refuses what two readers could understand in two ways: local headers that say other than the directory,
    members that share bytes, bytes before the first member, names that occur twice or leave the folder.
    """
    size = stream.seek(0, io.SEEK_END)
    _check_directory(stream, size)
    try:
        with zipfile.ZipFile(stream) as archive:
            infos = archive.infolist()
            directory = archive.start_dir
    except _BROKEN as problem:
        raise Unreadable(Reason.ARCHIVE_DAMAGED, "zip directory", "a sound zip archive") from problem
    members: dict[str, zipfile.ZipInfo] = {}
    budget = Budget(limit)
    for info in infos:
        name = budget.member(info.orig_filename)
        if name in members:
            raise Unreadable(Reason.MEMBER_TWICE, quoted(name), "each name once")
        budget.take(info.file_size, name)
        _check_kind(info, stored=stored)
        members[name] = info
    _check_places(stream, infos, directory)
    return members


def place(stream: BinaryIO, info: zipfile.ZipInfo) -> Stored:
    """Where an uncompressed member's bytes are."""
    stream.seek(info.header_offset + 26)
    name, extra = struct.unpack("<2H", stream.read(4))
    return Stored(info.header_offset + _LOCAL.size + name + extra, info.file_size, info.CRC)


def read_stored(
    stream: BinaryIO, name: str, member: Stored, into: memoryview | None = None
) -> bytearray | memoryview:
    """The bytes of an uncompressed member, whose checksum must be right."""
    buffer = bytearray(member.size) if into is None else into
    stream.seek(member.start)
    # BytesIO and files alike: `readinto` may stop early only at the end of the file.
    if stream.readinto(buffer) != member.size or zlib.crc32(buffer) != member.crc:  # type: ignore[attr-defined]
        raise Unreadable(Reason.ARCHIVE_DAMAGED, quoted(name), "a member whose checksum is right")
    return buffer


def zip_files(path: Path, limit: int) -> Iterator[tuple[str, Iterable[bytes]]]:
    """The files of a zip with their names, each to be read before the next is asked for.

    Raises `Unreadable` as `zip_members` does; a broken member breaks when it is read, as zipfile says it.
    """
    with path.open("rb") as stream:
        members = zip_members(stream, limit, stored=False)
        with zipfile.ZipFile(stream) as archive:
            for name, info in members.items():
                if not info.is_dir():
                    # zipfile gives no more bytes than the directory announces, and those fit the limit.
                    with archive.open(info) as content:
                        yield name, iter(partial(content.read, CHUNK), b"")


def _check_directory(stream: BinaryIO, size: int) -> None:
    """Refuse a directory too large to parse, before it is parsed; an archive comment is not accepted."""
    damaged = Unreadable(Reason.ARCHIVE_DAMAGED, "end of zip", "a complete zip archive without a comment")
    if size < _END.size:
        raise damaged
    stream.seek(size - _END.size)
    magic, _, _, _, count, length, _, comment = _END.unpack(stream.read(_END.size))
    if magic != b"PK\x05\x06" or comment:
        raise damaged
    if size >= _END.size + _WIDE_END.size:
        stream.seek(size - _END.size - _WIDE_END.size)
        record, wide_count, wide_length, locator = _WIDE_END.unpack(stream.read(_WIDE_END.size))
        if locator == b"PK\x06\x07":
            # 2^16 − 1 and 2^32 − 1 stand for what zip64 says; anything else must say the same.
            same = count in (0xFFFF, wide_count) and length in (0xFFFFFFFF, wide_length)
            if record != b"PK\x06\x06" or not same:
                raise damaged
            count, length = wide_count, wide_length
    if length > LARGEST_DIRECTORY or count > MOST_MEMBERS:
        raise Unreadable(Reason.TOO_MANY_MEMBERS, "zip directory", f"at most {MOST_MEMBERS} members")


def _check_kind(info: zipfile.ZipInfo, *, stored: bool) -> None:
    name = quoted(info.orig_filename)
    if info.flag_bits & _ENCRYPTED:
        raise Unreadable(Reason.MEMBER_ENCRYPTED, name, "members that are not encrypted")
    if info.flag_bits & _PATCHED:
        raise Unreadable(Reason.MEMBER_COMPRESSED, name, "members that are no patches")
    if stored and (info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size):
        raise Unreadable(Reason.MEMBER_COMPRESSED, name, "uncompressed members, as torch.save writes them")
    if info.compress_type not in _METHODS:
        raise Unreadable(Reason.MEMBER_COMPRESSED, name, "members that are stored or deflated")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (info.is_dir() and info.file_size):
        raise Unreadable(Reason.MEMBER_KIND, name, "files and folders, no links or devices")


def _check_places(stream: BinaryIO, infos: list[zipfile.ZipInfo], directory: int) -> None:
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        name = quoted(info.orig_filename)
        if info.header_offset < end:
            raise Unreadable(Reason.ARCHIVE_OVERLAP, name, f"a start at byte {end} or later")
        if not end and info.header_offset:
            raise Unreadable(Reason.ARCHIVE_HEADERS_DISAGREE, "byte 0", "a zip archive from its first byte")
        end = _check_local(stream, info, directory)
        if end > directory:
            raise Unreadable(Reason.ARCHIVE_OVERLAP, name, f"an end at byte {directory} or before")


def _check_local(stream: BinaryIO, info: zipfile.ZipInfo, directory: int) -> int:
    """Compare a member's own header with the directory's; the end of its data."""
    where = quoted(info.orig_filename)
    stream.seek(info.header_offset)
    header = stream.read(_LOCAL.size)
    if len(header) < _LOCAL.size:
        raise Unreadable(Reason.ARCHIVE_OVERLAP, where, f"a start before byte {directory}")
    magic, _, flags, method, _, _, crc, packed, size, name_size, extra = _LOCAL.unpack(header)
    raw = stream.read(name_size)
    encoding = "utf-8" if info.flag_bits & 0x800 else "cp437"
    # With bit 3 the sizes follow the data; 2^32 − 1 stands for a size that zip64 keeps elsewhere.
    sizes = {0, 0xFFFFFFFF} if flags & _DESCRIBED else {0xFFFFFFFF}
    same = (
        magic == b"PK\x03\x04"
        and raw == info.orig_filename.encode(encoding, "replace")
        and (flags, method) == (info.flag_bits, info.compress_type)
        and packed in sizes | {info.compress_size}
        and size in sizes | {info.file_size}
        and (crc == info.CRC or (flags & _DESCRIBED and crc == 0))
    )
    if not same:
        raise Unreadable(Reason.ARCHIVE_HEADERS_DISAGREE, where, "the same header in both places")
    end: int = info.header_offset + _LOCAL.size + name_size + extra + info.compress_size
    return end
