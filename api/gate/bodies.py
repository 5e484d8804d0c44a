"""A body that only trickles in is not waited for: it would hold its place for as long as it likes."""

from __future__ import annotations

import time

from anyio import fail_after
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import ProblemKind, Rejected

TOO_SLOW = ProblemKind(
    "too-slow",
    408,
    "The request's body arrives too slowly",
    "Of the body 32768 bytes, or all that is left, must arrive within 30 seconds.",
)
PIECE = 32 << 10
"""Bytes that must arrive within `SECONDS`: about a kilobyte a second."""
SECONDS = 30.0


class Bodies:
    """ASGI middleware: 408 where the next `piece` bytes of a body, or its end, take longer than `seconds`."""

    def __init__(self, app: ASGIApp, piece: int = PIECE, seconds: float = SECONDS) -> None:
        self.app = app
        self._piece = piece
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            receive = _Timed(receive, self._piece, self._seconds)
        await self.app(scope, receive, send)


class _Timed:
    """`receive`, where only the time counts that is spent waiting for the client."""

    def __init__(self, receive: Receive, piece: int, seconds: float) -> None:
        self._receive = receive
        self._piece = piece
        self._seconds = seconds
        self._left = seconds
        self._arrived = 0
        self._whole = False

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()  # what is waited for now is the client's leaving
        began = time.monotonic()
        try:
            with fail_after(max(self._left, 0.0)):
                message = await self._receive()
        except TimeoutError:
            within = f"must arrive within {self._seconds:g} seconds"
            told = f"Of the body {self._piece} bytes, or all that is left, {within}."
            raise Rejected(TOO_SLOW, told, headers={"Connection": "close"}) from None
        self._left -= time.monotonic() - began
        self._arrived += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._arrived >= self._piece:
            self._left, self._arrived = self._seconds, 0
        return message
