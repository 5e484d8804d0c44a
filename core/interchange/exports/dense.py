"""`dense`: a plain state dict with zeros where pruned. A survivor that is zero is not told from a pruned weight."""

from __future__ import annotations

from pathlib import Path

from core.interchange.exports import pth
from core.interchange.exports.source import Source


def write(source: Source, path: Path) -> None:
    """Write the file."""
    pth.save(source.ticket.weights(), path)
