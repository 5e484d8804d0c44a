"""What the pages show of a ticket."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.pages.targets import deeper
from api.tickets.layers import reached
from core.catalog.artifacts import ArtifactMissing, ArtifactStore
from core.catalog.tables import Ticket
from core.jobs.datasets import DATASETS
from core.pruning.reachability import Reach
from core.tickets.metadata import Describe

IMP_FRACTION = 0.2


@dataclass(frozen=True)
class Nominal:
    """The IMP level a ticket descends from, and the sparsity that level stands for."""

    level: int
    sparsity: float


@dataclass(frozen=True)
class Lines:
    """Shell lines to paste."""

    stretch: str | None
    train: str | None
    download: str


def nominal(ticket: Ticket, ancestors: Sequence[Ticket]) -> Nominal | None:
    """Its nominal level; a transformed ticket carries its ancestor's, with the fraction that was pruned there."""
    level = next((row.level for row in ticket.provenance if row.level is not None), None)
    if level is None:
        return None
    stated = (row.details.get("fraction") for one in (ticket, *ancestors) for row in one.provenance)
    # An uploaded file may state anything.
    fraction = next((f for f in stated if isinstance(f, float) and 0 < f < 1), IMP_FRACTION)
    return Nominal(level, 1 - (1 - fraction) ** level)


def reach(store: ArtifactStore, ticket: Ticket) -> Reach | None:
    """What of its mask does any work; None where its file is not in the store."""
    try:
        return reached(store, ticket)
    except ArtifactMissing:
        return None


def fitting(ticket: Ticket) -> list[str]:
    """Datasets whose images and classes it takes, those that it was found on first."""
    found_on = [row.dataset for row in ticket.provenance if row.dataset in DATASETS]
    return [
        name
        for name in dict.fromkeys((*found_on, *DATASETS))
        if name
        and (list(DATASETS[name].input), DATASETS[name].classes) == (list(ticket.input), ticket.classes)
    ]


def lines(ticket: Ticket, base: str, describe: Describe) -> Lines:
    """What to do with it next, against the API at `base`."""
    target, datasets = deeper(ticket, describe), fitting(ticket)
    url = f"{base}/tickets/{ticket.id}/file"
    return Lines(
        stretch=_post(f"{base}/transform", {"tickets": [ticket.id], "architecture": target})
        if target
        else None,
        train=_post(f"{base}/train", {"tickets": [ticket.id], "dataset": datasets[0]}) if datasets else None,
        download=f"curl -sS {shlex.quote(url)} \\\n  -o {ticket.id[:8]}.ticket.safetensors",
    )


def _post(url: str, body: Mapping[str, object]) -> str:
    return (
        f"curl -sS {shlex.quote(url)} \\\n  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps(body))}"
    )


def first_job(base: str) -> str:
    """The line that makes a first job."""
    body = {"architecture": "mlp_2", "dataset": "digits", "parameters": {"level": 10}, "seeds": [0, 1, 2]}
    return _post(f"{base}/find", body)
