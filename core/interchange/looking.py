"""Says what a foreign file would be entered as, and enters nothing: read as an import reads it, in a caged process.

Run as a program, this module is that process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.families.definition import Definition
from core.families.known import describer
from core.interchange.checking import MEMORY_BYTES, caged, refusal
from core.interchange.confinement import confine
from core.interchange.entering import Entered, entered
from core.interchange.failure import Unreadable
from core.jobs.specs import ImportSpec
from core.tickets import Metadata, Ticket, ticket_id

_MODULE = "core.interchange.looking"


def look(
    path: Path, scratch: Path, limit: int, spec: ImportSpec, definitions: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The `figures` of each ticket of a file, and its `format`.

    Raises `Unreadable`; `TOO_COSTLY` for a file that must be read in more time or memory than a check may take.
    """
    told = json.dumps({"spec": spec.model_dump(mode="json"), "definitions": list(definitions)})
    found: list[dict[str, Any]] = caged(_MODULE, path, scratch, limit, told)
    return found


def figures(ticket: Ticket, metadata: Metadata) -> dict[str, Any]:
    """What a look at a ticket tells of it: its id, its network, its figures, what is known of its origin."""
    network = ticket.architecture
    return {
        "id": ticket_id(ticket),
        "architecture": network.name,
        "family": network.family,
        "input": list(network.input),
        "classes": network.classes,
        "prunable": ticket.prunable_weights,
        "survivors": ticket.survivors,
        "sparsity": ticket.sparsity,
        "rewind_step": ticket.rewind_step,
        "dataset": metadata.dataset,
        "seed": metadata.seed,
        "level": metadata.level,
    }


def _figures(one: Entered) -> dict[str, Any]:
    return figures(one.ticket, one.metadata) | {"format": one.metadata.details["format"]}


def main(path: str, scratch: str, limit: str, seconds: str) -> None:
    """The process: prints the figures of each ticket, or what is wrong with the file."""
    told = json.load(sys.stdin)
    spec = ImportSpec.model_validate(told["spec"])
    definitions = [Definition.model_validate(one) for one in told["definitions"]]
    confine(MEMORY_BYTES, int(seconds), int(limit))
    try:
        found = entered(Path(path), spec, Path(scratch), definitions, describer(definitions), int(limit))
        print(json.dumps([_figures(one) for one in found]))
    except Unreadable as problem:
        print(refusal(problem))


if __name__ == "__main__":
    main(*sys.argv[1:])
