"""`Range` of a download: what is answered are exactly the bytes that the answer says (RFC 9110, section 14)."""

from __future__ import annotations

import asyncio
import re

from starlette.types import Message, Scope

from api.guard import Guard
from api.tickets.download import TicketFile
from bench.fuzz.reader import Scratch

REFUSED: tuple[type[Exception], ...] = ()
_CONTENT = bytes(range(256)) * 2
_SCRATCH = Scratch()
_PATH = _SCRATCH.file(_CONTENT)
_RUNNER = asyncio.Runner()


def seeds() -> list[bytes]:
    """Ranges of every form."""
    return [b"bytes=0-99", b"bytes=500-", b"bytes=-12", b"bytes=0-0, 7-9,-1", b"bytes=512-", b"pages=1-2"]


def read(data: bytes) -> None:
    """Ask for these ranges."""
    status, headers, body = _RUNNER.run(_answer(data))
    if status == 206 and "content-range" in headers:
        found = re.fullmatch(r"bytes (\d+)-(\d+)/512", headers["content-range"])
        assert found is not None, headers["content-range"]
        assert body == _CONTENT[int(found[1]) : int(found[2]) + 1], "other bytes"
    elif status == 200:
        assert body == _CONTENT, "not the whole"
    else:
        assert status in (206, 416), status
    if status != 416:
        assert len(body) == int(headers["content-length"]), "another length"
        # Ranges that overlap could ask for more than there is, over and over.
        assert len(body) <= 4 * len(_CONTENT) + 200 * data.count(b","), "more than was asked for"


async def _answer(header: bytes) -> tuple[int, dict[str, str], bytes]:
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": "GET",
        "path": "/",
        "headers": [(b"range", header)],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await Guard(TicketFile(_PATH, media_type="application/octet-stream"))(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])
