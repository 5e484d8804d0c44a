"""Tar archives from strangers, plain or compressed: read once, in order, and counted as they are decompressed.

A reader of its own (POSIX.1-2008, pax Interchange Format; GNU tar's long names), because a tar can say in many ways
what a file is: here a header says name, size and that it is a file or a folder, an extended header at most the name.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn

from core.interchange.budget import MOST_MEMBERS, Budget, too_large
from core.interchange.failure import Reason, Unreadable
from core.tickets.failure import quoted

BLOCK = 512
CHUNK = 1 << 20
LARGEST_EXTENSION = 8 << 10

_FILE, _OLD_FILE, _FOLDER = b"0", b"\0", b"5"
_PAX, _PAX_GLOBAL, _LONG_NAME = b"x", b"g", b"L"
_EXTENSIONS = (_PAX, _PAX_GLOBAL, _LONG_NAME)
_MAGIC = re.compile(rb"ustar[\0 ]")
_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
_RECORD_LENGTH = re.compile(rb"([1-9][0-9]{0,4}) ")
_IGNORED = re.compile(
    rb"[amc]time|[ug]id|[ug]name|comment"
    rb"|SCHILY\.(dev|ino|nlink|fflags|(acl|xattr)\..+)|(LIBARCHIVE|RHT|MSWINDOWS)\..+",
    re.DOTALL,
)


def tar_files(path: Path, limit: int, *, compressed: bool) -> Iterator[tuple[str, Iterable[bytes]]]:
    """The files of a tar with their names, each to be read before the next is asked for.

    Raises `Unreadable` for links, devices and sparse files, for names that leave the folder or occur twice, for
    headers that change what a file is, for more than `limit` bytes, and for a tar that is broken or ends early.
    """
    names: set[str] = set()
    budget = Budget(limit)
    with path.open("rb") as raw:
        tar = _Tar(gzip.GzipFile(fileobj=raw) if compressed else raw, limit)
        while member := tar.member():
            name = budget.member(member.name)
            if name in names:
                raise Unreadable(Reason.MEMBER_TWICE, quoted(name), "each name once")
            names.add(name)
            budget.take(member.size, name)
            content = tar.content(member.size)
            if not member.is_folder:
                yield name, content
            for _ in content:
                pass
        tar.end()


class _Member(NamedTuple):
    name: str
    size: int
    is_folder: bool


class _Tar:
    """A stream of blocks, of which no more than the limit and some headers may come."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile, limit: int) -> None:
        self.stream = stream
        self.limit = limit
        self.left = limit + MOST_MEMBERS * 4 * BLOCK

    def member(self) -> _Member | None:
        """The next file or folder, named as the headers before it say; None at the zeros of the end."""
        extended: dict[bytes, bytes] = {}
        while True:
            header = self.read(BLOCK)
            if not header.strip(b"\0"):
                return None if not extended else _damaged("end of tar")
            kind, size = header[156:157], _checked_size(header)
            if kind not in _EXTENSIONS:
                return _member(header, kind, size, _long_name(extended))
            if kind in extended or size > LARGEST_EXTENSION:
                raise Unreadable(
                    Reason.MEMBER_NAME,
                    f"tar header of type {quoted(kind.decode())}",
                    f"one of each type before a member, of at most {LARGEST_EXTENSION} bytes",
                )
            extended[kind] = b"".join(self.content(size))

    def content(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes, in pieces; when they are through, the next block is next."""
        left = size
        while left:
            piece = self.read(min(left, CHUNK))
            left -= len(piece)
            yield piece
        self.read(-size % BLOCK)

    def end(self) -> None:
        """Nothing but zeros follows, at least a block of them; a checksum behind them is compared as well."""
        zeros = self.read(BLOCK)
        while zeros:
            if zeros.strip(b"\0"):
                _damaged("end of tar")
            zeros = self.take(CHUNK)

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        data = self.take(size)
        return data if len(data) == size else _damaged("end of tar")

    def take(self, size: int) -> bytes:
        """Up to `size` bytes, fewer only at the end."""
        data = self.stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise too_large("tar", self.limit)
        return data


def _damaged(where: str) -> NoReturn:
    raise Unreadable(Reason.ARCHIVE_DAMAGED, where, "a sound and complete tar archive: ustar, pax or GNU")


def _checked_size(header: bytes) -> int:
    """The size that a header announces, if it is a header at all."""
    checksum = _number(header[148:156])
    if not _MAGIC.match(header, 257) or checksum != sum(header[:148] + b" " * 8 + header[156:]):
        _damaged("tar header")
    return _number(header[124:136])


def _number(field: bytes) -> int:
    """Octal digits, or 0x80 before a number in base 256, as GNU tar writes sizes from 8 GiB."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    octal = _OCTAL.fullmatch(field)
    return int(octal[1], 8) if octal else _damaged("tar header")


def _member(header: bytes, kind: bytes, size: int, long_name: bytes | None) -> _Member:
    name = _until_nul(header[:100])
    # Only POSIX keeps the folder of a name here; GNU tar keeps times.
    if header[262:263] == b"\0" and (prefix := _until_nul(header[345:500])):
        name = prefix + b"/" + name
    text = (name if long_name is None else long_name).decode("utf-8", "surrogateescape")
    is_folder = kind == _FOLDER or text.endswith("/")
    if kind not in (_FILE, _OLD_FILE, _FOLDER) or (is_folder and size):
        raise Unreadable(
            Reason.MEMBER_KIND, quoted(text), "files and empty folders, no links, devices or sparse files"
        )
    return _Member(text, size, is_folder)


def _until_nul(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _long_name(extended: dict[bytes, bytes]) -> bytes | None:
    """The name that extended headers give the next member, at most one of them; a global one must give none."""
    gnu, _, rest = extended.get(_LONG_NAME, b"").partition(b"\0")
    if rest.strip(b"\0"):
        _damaged("long name")
    names = [name for name in (gnu or None, _pax_path(extended.get(_PAX, b""))) if name is not None]
    if len(names) > 1 or _pax_path(extended.get(_PAX_GLOBAL, b"")) is not None:
        raise Unreadable(Reason.MEMBER_NAME, "extended tar headers", "one name for each member")
    return names[0] if names else None


def _pax_path(records: bytes) -> bytes | None:
    """The `path` of a pax header: records `LENGTH KEY=VALUE\\n`, whose length counts all of the record."""
    path = None
    start = 0
    while start < len(records):
        length = _RECORD_LENGTH.match(records, start)
        stop = start + int(length[1]) if length else 0
        if length is None or stop > len(records) or not records.endswith(b"\n", length.end(), stop):
            _damaged("pax header")
        key, equals, value = records[length.end() : stop - 1].partition(b"=")
        if not equals or (key == b"path" and path is not None):
            _damaged("pax header")
        if key == b"path":
            path = value
        elif not _IGNORED.fullmatch(key):
            raise Unreadable(
                Reason.MEMBER_KIND,
                f"pax header {quoted(key.decode('latin-1'))}",
                "names, owners and times: headers that change neither size nor kind",
            )
        start = stop
    return path
