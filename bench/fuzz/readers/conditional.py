"""Headers that every text is good for: `If-None-Match` and `Prefer`, the lines of the input."""

from __future__ import annotations

from api.preferences import LONGEST_WAIT, preferred_wait
from api.tickets.files import matches

REFUSED: tuple[type[Exception], ...] = ()
_ETAG = f'"{"9f2c" * 16}"'


def seeds() -> list[bytes]:
    """An ETag of ours among others, and a preference among others."""
    return [f'W/"a", {_ETAG}\nrespond-async, wait=10; x="y"'.encode(), b"*\nwait = 99999999999999999999"]


def read(data: bytes) -> None:
    """Look at both."""
    tags, _, prefer = data.decode("latin-1").partition("\n")
    if matches(tags, _ETAG):
        assert _ETAG in tags or "*" in tags, "another ETag"
    wait = preferred_wait(prefer)
    assert wait is None or 0 <= wait <= LONGEST_WAIT, "too long"
