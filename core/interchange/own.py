"""Tells a ticket file, which is entered as it is, from a file in another format."""

from __future__ import annotations

import json
from pathlib import Path

from core.interchange.archives import HEAD_BYTES, guess_container
from core.tickets.header import LENGTH_BYTES, MAX_HEADER


def is_ticket(path: Path) -> bool:
    """Whether a file is a safetensors file that says it is a ticket, or says nothing that can be read."""
    with path.open("rb") as stream:
        if guess_container(stream.read(HEAD_BYTES)) != "safetensors":
            return False
        stream.seek(0)
        start = stream.read(MAX_HEADER + LENGTH_BYTES)
    try:
        length = int.from_bytes(start[:LENGTH_BYTES], "little")
        metadata = json.loads(start[LENGTH_BYTES : LENGTH_BYTES + length]).get("__metadata__", {})
        return str(metadata.get("format")).startswith("elasticket")
    except (ValueError, AttributeError, RecursionError):
        return True
