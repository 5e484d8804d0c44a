"""The formats that a ticket's file can be downloaded in."""

from __future__ import annotations

from core.jobs.formats import FORMATS, FormatFacts

OWN = FormatFacts("elasticket", ".ticket.safetensors", "application/octet-stream", "the ticket itself")
DOWNLOADS: dict[str, FormatFacts] = {OWN.name: OWN, **FORMATS}
"""By name, its own first; the others are converted to."""
