"""The job that makes tickets of a foreign file."""

from __future__ import annotations

from pathlib import Path

from core.experiments.lab import Lab
from core.interchange.entering import entered
from core.interchange.failure import Reason, Unreadable
from core.interchange.own import is_ticket
from core.jobs.specs import OF_FOREIGN, ImportSpec
from core.tickets import read


def import_file(spec: ImportSpec, lab: Lab) -> None:
    """Run an import job: one ticket per ticket of the file goes to the lab's outcome; a ticket file as it is.

    Raises `Unreadable` or `InvalidTicket`.
    """
    upload = lab.inputs.upload
    assert upload is not None, "the supervisor gives an import job its file"
    path = Path(upload)
    if is_ticket(path):
        for name in OF_FOREIGN:
            if getattr(spec, name) is not None:
                raise Unreadable(
                    Reason.FORMAT_MISMATCH, name, "nothing but tags with a ticket file, which says it"
                )
        read(path)
        lab.keep(path)
        return
    for one in entered(path, spec, path.parent, lab.definitions, lab.describe):
        lab.produce(one.ticket, one.metadata, one.dense)
