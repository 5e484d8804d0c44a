"""Containers from strangers: what they are, and their files written under names of our own."""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from core.interchange.failure import Reason, Unreadable
from core.interchange.tars import tar_files
from core.interchange.zips import zip_files

Container = Literal["zip", "tar", "gzip", "safetensors"]
Archive = Literal["zip", "tar", "gzip"]

_BROKEN = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    ValueError,
    struct.error,
)

LARGEST_RATIO = 200
"""Bytes that an archive may unpack to, for each of its own; masks of 0 and 1 come to a tenth of it."""

ALWAYS_ALLOWED = 256 << 20
"""Bytes that any archive may unpack to."""

HEAD_BYTES = 262
"""As much of the start of a file as `guess_container` wants to see; the magic of a tar ends there."""


def guess_container(head: bytes) -> Container | None:
    """What a file is, by its first `HEAD_BYTES` bytes; None for anything that is not read here."""
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if head[257:262] == b"ustar":
        return "tar"
    # A header of a plausible length that is a JSON object.
    if len(head) > 8 and head[8:9] == b"{" and not any(head[4:8]):
        return "safetensors"
    return None


def unpack(
    path: Path, container: Archive, scratch: Path, limit: int, wanted: Callable[[str], bool]
) -> dict[str, Path]:
    """Write the wanted files of an archive into `scratch` as `0`, `1`, ...: their paths by member name.

    The archive may unpack to at most `limit` bytes, and `LARGEST_RATIO` times its own, wanted or not. Raises
    `Unreadable`.
    """
    limit = min(limit, max(ALWAYS_ALLOWED, LARGEST_RATIO * path.stat().st_size))
    opened = (
        zip_files(path, limit)
        if container == "zip"
        else tar_files(path, limit, compressed=container == "gzip")
    )
    files: dict[str, Path] = {}
    try:
        for name, content in opened:
            if wanted(name):
                files[name] = scratch / str(len(files))
                with files[name].open("xb") as target:
                    target.writelines(content)
    except Unreadable:
        raise
    except _BROKEN as problem:
        raise Unreadable(
            Reason.ARCHIVE_DAMAGED, container, f"a sound and complete {container} archive"
        ) from problem
    return files
