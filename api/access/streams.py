"""A stream of events does not outlive the key that opened it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.types import Message, Send

RECHECK_SECONDS = 15.0
"""Whatever is sent after that long, a line that only keeps the stream open included, is sent to a good key alone."""
EVENTS = "text/event-stream"


class Streamed:
    """`send`, which ends a stream of events once it is no longer `good`, and what makes it, by `end`."""

    def __init__(self, send: Send, good: Callable[[], Awaitable[bool]], end: Callable[[], None]) -> None:
        self._send = send
        self._good = good
        self._end = end
        self._checked: float | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = Headers(raw=message["headers"]).get("content-type", "")
            self._checked = time.monotonic() if kind.startswith(EVENTS) else None
        elif self._checked is not None and time.monotonic() - self._checked >= RECHECK_SECONDS:
            if not await self._good():
                await self._send({"type": "http.response.body", "body": b""})
                self._end()
                return
            self._checked = time.monotonic()
        await self._send(message)
