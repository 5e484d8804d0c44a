"""A zip archive, unpacked; a member may not come to more bytes than the limit says."""

from __future__ import annotations

import zipfile

from bench.fuzz import samples
from bench.fuzz.unpacking import unpacked
from core.interchange.failure import Unreadable

REFUSED = (Unreadable,)


def seeds() -> list[bytes]:
    """Stored and deflated members, in folders."""
    members = {"a": b"first", "folder/b": bytes(300), "folder/": b""}
    return [samples.zipped(members), samples.zipped(members, zipfile.ZIP_DEFLATED)]


def read(data: bytes) -> None:
    """Unpack all of it."""
    unpacked(data, "zip")
