"""Server-sent events, as the client reads them."""

from __future__ import annotations

import httpx

from api.client.events import parse_events

REFUSED = (ValueError,)


def seeds() -> list[bytes]:
    """Every kind of event, a comment that keeps the stream open, and both ends of line."""
    return [
        b'id: 1\nevent: state\ndata: {"state": "running"}\n\n: ping\n\nid: 2\nevent: epoch\ndata: {"epoch": 1}\n\n',
        b'event: progress\r\ndata: {"step": 1,\r\ndata: "of": 2}\r\n\r\nretry: 3\r\n\r\n',
    ]


def read(data: bytes) -> None:
    """Read a stream that arrives in one piece."""
    for event in parse_events(httpx.Response(200, content=data).iter_lines()):
        assert isinstance(event.data, dict), "an event without fields"
