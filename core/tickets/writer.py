"""Writes `elasticket/1`, a safetensors file whose bytes depend on nothing but the ticket and its metadata."""

from __future__ import annotations

from typing import Any, BinaryIO, NamedTuple

import rfc8785

from core.tickets.arrays import dtype_name, raw
from core.tickets.failure import Failure, InvalidTicket
from core.tickets.header import LENGTH_BYTES, MAX_HEADER, WIDTHS
from core.tickets.metadata import Metadata, to_strings
from core.tickets.ticket import Ticket


class FileSize(NamedTuple):
    """Bytes of the header, its length and padding included, and of the tensors."""

    header_bytes: int
    payload_bytes: int


def write(ticket: Ticket, metadata: Metadata, stream: BinaryIO) -> FileSize:
    """Write to a buffered binary stream, tensor by tensor, never holding the file in memory.

    The widest types come first, so that every tensor of a mapped file is aligned. The official serializer
    does so too, but orders the metadata at random.
    """
    tensors = sorted(ticket.stored().items(), key=lambda item: (-WIDTHS[dtype_name(item[1])], item[0]))
    header: dict[str, Any] = {"__metadata__": to_strings(ticket, metadata)}
    end = 0
    for name, array in tensors:
        start, end = end, end + array.nbytes
        header[name] = {"dtype": dtype_name(array), "shape": list(array.shape), "data_offsets": [start, end]}
    encoded = rfc8785.dumps(header)
    encoded += b" " * (-len(encoded) % 8)
    if len(encoded) > MAX_HEADER:
        raise InvalidTicket(Failure.HEADER_TOO_LARGE, "header", f"at most {MAX_HEADER} bytes")
    stream.write(len(encoded).to_bytes(LENGTH_BYTES, "little"))
    stream.write(encoded)
    for _, array in tensors:
        stream.write(raw(array).data)
    return FileSize(LENGTH_BYTES + len(encoded), end)
