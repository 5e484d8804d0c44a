"""The job that makes tickets of a foreign file."""

from __future__ import annotations

from pathlib import Path

from core.experiments.lab import Lab
from core.interchange.entering import entered
from core.jobs.specs import ImportSpec


def import_file(spec: ImportSpec, lab: Lab) -> None:
    """Run an import job: one ticket per ticket of the file goes to the lab's outcome. Raises `Unreadable`."""
    upload = lab.inputs.upload
    assert upload is not None, "the supervisor gives an import job its file"
    path = Path(upload)
    for one in entered(path, spec, path.parent, lab.definitions, lab.describe):
        lab.produce(one.ticket, one.metadata, one.dense)
