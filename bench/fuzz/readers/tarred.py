"""A tar archive, unpacked."""

from __future__ import annotations

import tarfile

from bench.fuzz import samples
from bench.fuzz.unpacking import unpacked
from core.interchange.failure import Unreadable

REFUSED = (Unreadable,)


def seeds() -> list[bytes]:
    """The three dialects, with names that need their extensions."""
    members = {"a": b"first", "folder/" + 101 * "b": bytes(300)}
    return [samples.tarred(members, form=form) for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)] + [
        samples.tarred({"a": b"first"}, form=tarfile.USTAR_FORMAT)
    ]


def read(data: bytes) -> None:
    """Unpack all of it."""
    unpacked(data, "tar")
