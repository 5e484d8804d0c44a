"""The ticket, its identity and its file format. NumPy only: no torch."""

from core.tickets.failure import Failure, InvalidTicket
from core.tickets.identity import identity, ticket_id
from core.tickets.mask import Mask
from core.tickets.metadata import FORMAT, Metadata
from core.tickets.reader import TicketFile, read
from core.tickets.ticket import LayerFigures, Ticket
from core.tickets.writer import FileSize, write

__all__ = [
    "FORMAT",
    "Failure",
    "FileSize",
    "InvalidTicket",
    "LayerFigures",
    "Mask",
    "Metadata",
    "Ticket",
    "TicketFile",
    "identity",
    "read",
    "ticket_id",
    "write",
]
