"""A tar archive behind gzip, unpacked; what is no gzip is compressed first, so that mutation meets the tar too."""

from __future__ import annotations

import gzip

from bench.fuzz.readers import tarred
from bench.fuzz.unpacking import unpacked
from core.interchange.failure import Unreadable

REFUSED = (Unreadable,)


def seeds() -> list[bytes]:
    """Tars, compressed and not."""
    return [made for tar in tarred.seeds() for made in (tar, gzip.compress(tar, mtime=0))]


def read(data: bytes) -> None:
    """Unpack all of it."""
    unpacked(data if data.startswith(b"\x1f\x8b") else gzip.compress(data, 1, mtime=0), "gzip")
