"""The `after` of a list: a cursor that is accepted is the same one once encoded and decoded again."""

from __future__ import annotations

from core.catalog.paging import Cursor

REFUSED = (ValueError,)


def seeds() -> list[bytes]:
    """Cursors of a job and of a ticket."""
    return [Cursor(1767225600.25, "4b1d" * 8).encode().encode(), Cursor(0.0, "9f2c" * 16).encode().encode()]


def read(data: bytes) -> None:
    """Decode, encode, decode."""
    cursor = Cursor.decode(data.decode("utf-8", "replace"))
    assert Cursor.decode(cursor.encode()) == cursor, "another cursor once encoded"
