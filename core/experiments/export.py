"""Convert a ticket's file to another format."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from core.experiments.lab import Lab
from core.interchange.exports.registry import EXPORTS
from core.interchange.exports.source import Ancestor, Figure, Source
from core.jobs.datasets import DATASETS
from core.jobs.outcome import ProducedCopy
from core.jobs.recipes import PRESETS, steps_per_epoch
from core.jobs.specs import ExportSpec
from core.tickets import TicketFile


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
        steps_per_epoch=_steps_per_epoch(file),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        EXPORTS[spec.format].write(source, path)
        digest = lab.journal.store(lambda stream: _copy(path, stream))
    lab.outcome.copies.append(ProducedCopy(spec.ticket, spec.format, digest))


def _steps_per_epoch(file: TicketFile) -> int | None:
    """Of the training that a ticket's step counts in: that of its recipe, or of its family's preset."""
    dataset, family = file.metadata.dataset, file.ticket.architecture.family
    if dataset not in DATASETS or family not in PRESETS:
        return None
    # Anyone may have written the file's details.
    recipe = file.metadata.details.get("recipe")
    stated = recipe.get("batch") if isinstance(recipe, dict) else None
    batch = stated if isinstance(stated, int) and stated > 0 else PRESETS[family].batch
    return steps_per_epoch(DATASETS[dataset].train, batch)


def _copy(path: Path, stream: BinaryIO) -> None:
    with path.open("rb") as file:
        shutil.copyfileobj(file, stream)
