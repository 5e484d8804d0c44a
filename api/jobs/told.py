"""What a stream says of a job, written once for all its watchers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi.sse import ServerSentEvent
from pydantic_core import to_json

from core.catalog.tables import Event


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a job, as a stream sends it."""

    seq: int
    message: ServerSentEvent


def tell(event: Event) -> Told:
    """A row."""
    at = datetime.fromtimestamp(event.at, UTC)
    data = to_json(event.data | {"attempt": event.attempt, "at": at}).decode()
    return Told(event.seq, ServerSentEvent(id=str(event.seq), event=event.kind, raw_data=data))
