"""An upload, raw or in a form: the first line is its Content-Type, the rest its body.

How a body is cut into pieces on its way makes no difference to what is received.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import Request

from api.problems import Rejected
from api.tickets.upload import Upload, receive
from bench.fuzz.reader import Scratch
from core.catalog.artifacts import LocalStore

REFUSED = (Rejected,)
_MOST = 1 << 12
_SCRATCH = Scratch()
_STORE = LocalStore(_SCRATCH.path)
_RUNNER = asyncio.Runner()

Received = tuple[int, list[str], dict[str, str], bytes]


def seeds() -> list[bytes]:
    """A raw body; a form with a file, tags and a field."""
    parts = {
        b'name="file"; filename="a.ticket"': bytes(range(64)),
        b'name="tag"': b"paper",
        b'name="said"': b"more",
    }
    form = b"".join(b"--x\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % pair for pair in parts.items())
    return [b"\nraw", b"multipart/form-data; boundary=x\n" + form + b"--x--\r\n"]


def read(data: bytes) -> None:
    """Receive it at once, and in pieces."""
    kind, _, body = data.partition(b"\n")
    whole = _received(kind, [body])
    for size in (1, 7):
        assert whole == _received(kind, [body[n : n + size] for n in range(0, len(body), size)]), "other pieces"


def _received(kind: bytes, pieces: list[bytes]) -> Received:
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind)]}
    with _STORE.stage() as staged:
        upload = Upload(staged, _MOST)
        said = _RUNNER.run(receive(Request(scope, _sent(pieces)), upload, ("said",)))
        return upload.size, upload.tags, said, staged.path.read_bytes()


def _sent(pieces: list[bytes]) -> Callable[[], Any]:
    left = iter(pieces)

    async def receive_next() -> dict[str, Any]:
        piece = next(left, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    return receive_next
