"""Reads `elasticket/1` from a file that nobody vouches for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.families import architecture as named_architecture
from core.tickets.checks import check_forms, stored_forms
from core.tickets.failure import Failure, InvalidTicket
from core.tickets.header import Entry, Header, parse_header
from core.tickets.mask import Mask
from core.tickets.metadata import Describe, Metadata, from_strings
from core.tickets.ticket import Ticket

# Little-endian whatever the machine, as safetensors prescribes.
_NUMPY: dict[str, np.dtype[Any]] = {"I64": np.dtype("<i8"), "F32": np.dtype("<f4"), "U8": np.dtype("u1")}


@dataclass(frozen=True)
class TicketFile:
    """A ticket as a file holds it, with the bytes of its header and of its payload."""

    ticket: Ticket
    metadata: Metadata
    header_bytes: int
    payload_bytes: int


def read(path: str | Path, describe: Describe = named_architecture) -> TicketFile:
    """Read and check a ticket file; `describe` names the architectures that are known without a definition.

    The arrays are read-only maps of the file, which must not change as long as they are used. Raises
    `InvalidTicket` for whatever the bytes may be, and `OSError` only where the file cannot be opened or read.
    """
    with Path(path).open("rb") as stream:
        header = parse_header(stream, os.fstat(stream.fileno()).st_size)
        architecture, rewind_step, metadata = from_strings(header.metadata, describe)
        check_forms(
            stored_forms(architecture),
            {name: (entry.dtype, entry.shape) for name, entry in header.tensors.items()},
        )
        payload = _map(stream, header)
    arrays = {name: _view(payload, entry) for name, entry in header.tensors.items()}
    ticket = Ticket(
        architecture,
        rewind_step,
        masks={spec.name: _mask(spec.name, spec.shape, arrays) for spec in architecture.prunable},
        kept={spec.name: arrays[f"{spec.name}.kept"] for spec in architecture.prunable},
        dense={spec.name: arrays[spec.name] for spec in architecture.tensors if not spec.prunable},
    )
    return TicketFile(ticket, metadata, header.header_bytes, header.payload_bytes)


def _map(stream: BinaryIO, header: Header) -> NDArray[np.uint8]:
    try:
        return np.memmap(stream, np.uint8, "r", offset=header.header_bytes, shape=(header.payload_bytes,))
    except ValueError:
        # The file was shortened after its size was taken.
        raise InvalidTicket(
            Failure.PAYLOAD_TRUNCATED, "payload", f"{header.payload_bytes} payload bytes"
        ) from None


def _view(payload: NDArray[np.uint8], entry: Entry) -> NDArray[Any]:
    return payload[entry.start : entry.stop].view(_NUMPY[entry.dtype]).reshape(entry.shape)


def _mask(name: str, shape: tuple[int, ...], arrays: dict[str, NDArray[Any]]) -> Mask:
    try:
        return Mask(shape, arrays[f"{name}.bits"])
    except InvalidTicket as problem:
        raise InvalidTicket(problem.failure, f"{name}.bits", problem.accepted) from None
