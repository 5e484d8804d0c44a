"""The formats that a ticket's file can be downloaded in."""

from __future__ import annotations

from core.families.posted import has_network
from core.jobs.formats import FORMATS, FormatFacts

OWN = FormatFacts("elasticket", ".ticket.safetensors", "application/octet-stream", "the ticket itself")
DOWNLOADS: dict[str, FormatFacts] = {OWN.name: OWN, **FORMATS}
"""By name, its own first; the others are converted to."""
_WITHOUT_NETWORK = {name: facts for name, facts in DOWNLOADS.items() if not facts.network}


def downloads(family: str) -> dict[str, FormatFacts]:
    """The formats that a ticket of this family has a file in."""
    return DOWNLOADS if has_network(family) else _WITHOUT_NETWORK
