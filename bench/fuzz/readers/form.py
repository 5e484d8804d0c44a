"""An upload in a form: the first line is its Content-Type, the rest its body.

How a body is cut into pieces on its way makes no difference to what is received.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, cast

from python_multipart.multipart import parse_options_header

from api.problems import Rejected
from api.tickets.upload import Form, Upload
from core.catalog.artifacts import Staged

REFUSED = (Rejected,)
_MOST = 1 << 12

Received = tuple[bytes, list[str], dict[str, str]]


def seeds() -> list[bytes]:
    """A form with a file, a tag and a field."""
    parts = {
        b'name="file"; filename="a.ticket"': bytes(range(64)),
        b'name="tag"': b"paper",
        b'name="said"': b"more",
    }
    form = b"".join(
        b"--x\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % pair for pair in parts.items()
    )
    return [b"multipart/form-data; boundary=x\n" + form + b"--x--\r\n"]


def read(data: bytes) -> None:
    """Receive it at once, and in pieces."""
    kind, _, body = data.partition(b"\n")
    _, options = parse_options_header(kind)
    boundary = options.get(b"boundary")
    whole = _received(boundary, [body])
    for size in (1, 7):
        pieces = (body[n : n + size] for n in range(0, len(body), size))
        assert whole == _received(boundary, pieces), "other pieces, another file"


class _Kept(Upload):
    """An upload that stays in memory."""

    def __init__(self) -> None:
        super().__init__(cast("Staged", io.BytesIO()), _MOST)
        self.content = bytearray()

    def take(self, data: Any) -> None:
        super().take(data)
        self.content += data


def _received(boundary: bytes | None, pieces: Iterable[bytes]) -> Received:
    upload = _Kept()
    form = Form(upload, boundary, ("said",))
    for piece in pieces:
        form.feed(piece)
    form.finish()
    return bytes(upload.content), upload.tags, form.said
