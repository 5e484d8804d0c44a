"""What a ticket is called: a digest of everything that training from it depends on."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import rfc8785
from numpy.typing import NDArray

from core.tickets.arrays import raw
from core.tickets.metadata import FORMAT
from core.tickets.ticket import Ticket


def ticket_id(ticket: Ticket) -> str:
    """SHA-256, in hexadecimal, of the canonical JSON (RFC 8785) of `identity(ticket)`."""
    return sha256(rfc8785.dumps(identity(ticket))).hexdigest()


def identity(ticket: Ticket) -> dict[str, Any]:
    """The JSON object that identifies a ticket: where it came from and how it is stored are not in it."""
    architecture = ticket.architecture
    tensors: list[dict[str, Any]] = []
    for spec in sorted(architecture.tensors, key=lambda spec: spec.name):
        tensor: dict[str, Any] = {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape)}
        if spec.prunable:
            tensor |= {"bits": digest(ticket.masks[spec.name].bits), "kept": digest(ticket.kept[spec.name])}
        else:
            tensor |= {"data": digest(ticket.dense[spec.name])}
        tensors.append(tensor)
    return {
        "format": FORMAT,
        "architecture": architecture.name,
        "input": list(architecture.input),
        "classes": architecture.classes,
        "rewind_step": ticket.rewind_step,
        "tensors": tensors,
    }


def digest(array: NDArray[Any]) -> str:
    """SHA-256 of the raw bytes; a mapped file is hashed page by page, without a copy."""
    return sha256(raw(array).data).hexdigest()
