"""How fast tickets' networks are, form by form and layer by layer, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from api.jobs.latency import BatchLatency, Latency, LatencyMachine
from api.pages.specs import Networks
from core.catalog.tables import Job

NONE_OF = {"sparse": "no layer pays", "compacted": "no channel goes"}
"""Why there may be no such form."""


@dataclass(frozen=True)
class Timed:
    """A ticket's network at one batch size."""

    ticket_id: str
    architecture: str
    machine: LatencyMachine
    at: BatchLatency

    @property
    def verdict(self) -> str:
        """What the times say of sparsity, whatever they are."""
        dense, *others = self.at.forms
        assert dense.ms is not None
        faster = [form for form in others if form.faster and form.ms is not None]
        if not faster:
            return "dense is not beaten"
        best = min(faster, key=lambda form: form.ms or 0)
        return f"{best.form} is {dense.ms / (best.ms or 1):.2f} times as fast"


def timed(job: Job, known: Networks) -> list[Timed]:
    """Every ticket that an evaluate job has timed, batch by batch."""
    return list(_timed(job, known))


def _timed(job: Job, known: Networks) -> Iterator[Timed]:
    for result in job.results:
        if result.latency is None or result.ticket_id is None:
            continue
        found = Latency.model_validate(result.latency)
        for at in found.batches:
            yield Timed(result.ticket_id, known.get(result.ticket_id, "–"), found.machine, at)
