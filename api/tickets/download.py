"""Sends a ticket's file, whole or in ranges."""

from __future__ import annotations

import re

from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

_RANGE = re.compile(r"(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})?|-[0-9]{1,18}")


class TicketFile(FileResponse):
    """A file in ranges; a `Range` that is none of bytes is ignored (RFC 9110, section 14.2)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("range")
        if given is not None and not in_bytes(given):
            headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
            scope = {**scope, "headers": headers}
        await super().__call__(scope, receive, send)


def in_bytes(header: str) -> bool:
    """Whether a `Range` header states ranges of bytes, none of which ends before it begins."""
    unit, _, ranges = header.partition("=")
    if unit.strip().lower() != "bytes":
        return False
    found = [_RANGE.fullmatch(part.strip()) for part in ranges.split(",")]
    return all(one is not None and _forward(one) for one in found)


def _forward(found: re.Match[str]) -> bool:
    return found["last"] is None or int(found["first"]) <= int(found["last"])
