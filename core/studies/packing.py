"""A zip archive as it is sent: member by member, the same bytes for the same members, never all of it in memory."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20
# The first moment that a zip can name: when something was packed is not part of what was packed.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Member:
    """A file of an archive: one that lies at a path is stored as it is, any other content is deflated."""

    name: str
    content: Path | Iterable[bytes]


def packed(members: Iterable[Member]) -> Iterator[bytes]:
    """The bytes of a zip of these members, in their order."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for member in members:
            with archive.open(_info(member), "w") as target:
                for chunk in _chunks(member.content):
                    target.write(chunk)
                    yield sink.drained()
    yield sink.drained()


def _info(member: Member) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(member.name, _EPOCH)
    info.create_system = 3  # Unix, wherever it is made
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    if isinstance(member.content, Path):
        # What is larger than 2 GiB needs wider fields, and zipfile must know before it writes.
        info.file_size = member.content.stat().st_size
    else:
        info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _chunks(content: Path | Iterable[bytes]) -> Iterator[bytes]:
    if not isinstance(content, Path):
        yield from content
        return
    with content.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


class _Sink(io.RawIOBase):
    """Where zipfile writes: nothing that it could seek back in."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._held += data
        return len(data)

    def drained(self) -> bytes:
        """What was written since the last time."""
        held, self._held = bytes(self._held), bytearray()
        return held
