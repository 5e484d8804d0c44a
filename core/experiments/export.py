"""Convert a ticket's file to another format."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from core.experiments.lab import Lab
from core.interchange.exports.registry import EXPORTS
from core.interchange.exports.source import Ancestor, Figure, Source
from core.jobs.outcome import ProducedCopy
from core.jobs.specs import ExportSpec


def export(spec: ExportSpec, lab: Lab) -> None:
    """Run an export job: the converted file goes to the store. Raises `Unavailable` where the format cannot hold it."""
    file = lab.ticket(spec.ticket)
    about = lab.inputs.about
    source = Source(
        file.ticket,
        file.metadata,
        spec.ticket,
        figures=[Figure(**figure) for figure in about.get("figures", ())],
        lineage=[Ancestor(**ancestor) for ancestor in about.get("lineage", ())],
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        EXPORTS[spec.format].write(source, path)
        digest = lab.journal.store(lambda stream: _copy(path, stream))
    lab.outcome.copies.append(ProducedCopy(spec.ticket, spec.format, digest))


def _copy(path: Path, stream: BinaryIO) -> None:
    with path.open("rb") as file:
        shutil.copyfileobj(file, stream)
