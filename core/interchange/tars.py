"""Tar archives from strangers, plain or compressed: read once, in order, and counted as they are decompressed."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from core.interchange.budget import MOST_MEMBERS, Budget, too_large
from core.interchange.failure import Reason, Unreadable
from core.tickets.failure import quoted

LARGEST_HEADER = 1 << 20
CHUNK = 1 << 20
END_BYTES = 1024
"""Two blocks of zeros end a tar."""

_PLAIN = {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE}
_HEADERS = {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME}


def tar_files(path: Path, limit: int, *, compressed: bool) -> Iterator[tuple[str, IO[bytes]]]:
    """The files of a tar with their names, each to be read before the next is asked for.

    Raises `Unreadable` for links, devices and sparse files, for names that leave the folder or occur twice, for more
    than `limit` bytes, and for a tar that ends early; what else is broken, as tarfile and gzip say it.
    """
    names: set[str] = set()
    budget = Budget(limit)
    with path.open("rb") as raw:
        stream = _Counted(gzip.GzipFile(fileobj=raw) if compressed else raw, limit)
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_PlainTar, errorlevel=2) as archive:
            for member in archive:
                name = budget.member(member.name)
                if name in names:
                    raise Unreadable(Reason.MEMBER_TWICE, quoted(name), "each name once")
                names.add(name)
                budget.take(member.size, name)
                if member.issparse() or any(key.startswith("GNU.sparse") for key in member.pax_headers):
                    raise Unreadable(
                        Reason.MEMBER_KIND, quoted(name), "files and folders, none of them sparse"
                    )
                if member.isfile():
                    content = archive.extractfile(member)
                    assert content is not None
                    yield name, content
        stream.drain()
    if stream.tail.strip(b"\0") or len(stream.tail) < END_BYTES:
        raise Unreadable(Reason.ARCHIVE_DAMAGED, "end of tar", "a complete tar archive")


class _Counted(io.RawIOBase):
    """A stream that ends in a refusal once more than the limit came out of it; it remembers its last 1 KiB.

    Headers and padding of a tar are allowed for on top of the limit, as far as its members are.
    """

    def __init__(self, inner: BinaryIO | gzip.GzipFile, limit: int) -> None:
        self.inner = inner
        self.limit = limit
        self.left = limit + MOST_MEMBERS * 4 * tarfile.BLOCKSIZE
        self.tail = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self.inner.read(min(size, CHUNK) if size >= 0 else CHUNK)
        self.left -= len(data)
        if self.left < 0:
            raise too_large("tar", self.limit)
        self.tail = (self.tail + data)[-END_BYTES:]
        return data

    def drain(self) -> None:
        """Read to the end, so that a checksum behind the data is compared as well."""
        while self.read(CHUNK):
            pass


class _PlainTar(tarfile.TarInfo):
    """Refuses, header by header, whatever is not a file, a folder or a long name."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _PlainTar:
        member = super().frombuf(buf, encoding, errors)
        if member.type not in _PLAIN | _HEADERS:
            raise Unreadable(
                Reason.MEMBER_KIND, quoted(member.name), "files and folders, no links or devices"
            )
        if member.type in _HEADERS and member.size > LARGEST_HEADER:
            raise Unreadable(
                Reason.MEMBER_NAME, quoted(member.name), f"headers of at most {LARGEST_HEADER} bytes"
            )
        return member
