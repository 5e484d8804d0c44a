"""How long a connection may wait for nothing: what uvicorn itself leaves open.

uvicorn has a deadline between requests, none for a connection's first request, for headers that trickle in, for a body
that nobody reads any more, or for an answer that nobody takes. A few thousand such connections use up all descriptors.
"""

from __future__ import annotations

import asyncio
import resource
import time
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class Patient(H11Protocol):
    """uvicorn's HTTP/1.1, patient within limits. Of too many connections the one that has waited longest goes."""

    header_seconds: ClassVar[float] = 10.0
    """For the headers of a request, and for the rest of a body after the answer to it."""
    stall_seconds: ClassVar[float] = 60.0
    """For a client to take any of what is sent."""
    most: ClassVar[int] = 4096
    """Connections at once; each event stream is one."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._waiting: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look()
        if len(self.connections) > self.most:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._waiting, self._stalled):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def _look(self) -> None:
        """Start the clock where the client alone can go on and nobody else waits for it; stop it where not."""
        theirs = self.conn.their_state
        answered = self.cycle is not None and self.cycle.response_complete
        if theirs is h11.IDLE or (theirs is h11.SEND_BODY and answered):
            if self._waiting is None:
                self._since = time.monotonic()
                self._waiting = self.loop.call_later(self.header_seconds, self.transport.abort)
        elif self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _make_room(self) -> None:
        idle = [one for one in self.connections if isinstance(one, Patient) and one._waiting is not None]
        min(idle, key=lambda one: one._since, default=self).transport.abort()


def allow_connections() -> None:
    """Let this process have as many open files as it may: the usual soft limit is 1,024, sockets included."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
