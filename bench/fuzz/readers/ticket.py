"""`.ticket.safetensors`; a ticket that is accepted is the same one after it was written and read again."""

from __future__ import annotations

import io

from bench.fuzz import samples
from bench.fuzz.reader import Scratch
from core.tickets import InvalidTicket, Metadata, ticket_id, write
from core.tickets import read as read_ticket

REFUSED = (InvalidTicket,)
_SCRATCH = Scratch()


def seeds() -> list[bytes]:
    """Tickets of two seeds, and one with all that metadata may say."""
    told = Metadata(method="ett", seed=1, level=3, parent="9f" * 32, details={"a": [1, None, 0.5]})
    return [samples.ticket(0), samples.ticket(1), samples.ticket(2, told)]


def read(data: bytes) -> None:
    """Read, name, write, read."""
    file = read_ticket(_SCRATCH.file(data))
    stream = io.BytesIO()
    write(file.ticket, file.metadata, stream)
    again = read_ticket(_SCRATCH.file(stream.getvalue(), "again"))
    assert ticket_id(again.ticket) == ticket_id(file.ticket), "another ticket once written"
    assert again.metadata == file.metadata, "other metadata once written"
