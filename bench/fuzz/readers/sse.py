"""Server-sent events, as the client reads them, and as the service writes any text."""

from __future__ import annotations

from fastapi.sse import format_sse_event
from pydantic_core import to_json

from api.client.events import event_lines, parse_events

REFUSED = (ValueError,)


def seeds() -> list[bytes]:
    """Every kind of event, a comment that keeps the stream open, and each end of a line."""
    return [
        b'id: 1\nevent: state\ndata: {"state": "running"}\n\n: ping\n\nid: 2\nevent: epoch\ndata: {"epoch": 1}\n\n',
        b'event: progress\r\ndata: {"step": 1,\r\ndata: "of": 2}\r\n\r\nretry: 3\r\r',
        'data: {"text": "lines\u2028of\x85text"}\n\n'.encode(),
    ]


def read(data: bytes) -> None:
    """Read the log event whose text this is; then read the bytes as a stream, in one piece and in many."""
    text = data.decode("utf-8", "replace")
    sent = format_sse_event(event="log", id="1", data_str=to_json({"text": text}).decode())
    try:
        (event,) = parse_events(event_lines([sent]))
    except ValueError as error:
        raise AssertionError("an event of the service is refused") from error
    assert event.data == {"text": text}, "another text"
    whole = list(parse_events(event_lines([data])))
    assert list(parse_events(event_lines(data[n : n + 1] for n in range(len(data))))) == whole, "other pieces"
