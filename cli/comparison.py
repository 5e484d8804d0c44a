"""The study of the demo; and what the jobs and cells of any study tell."""

from __future__ import annotations

from api.client.models.requests import StudyRequest
from api.client.models.studies import Cell, Study

TABLE_5: StudyRequest = {
    "study": "elth_fc",
    "scale": "small",
    "sources": ["mlp_2"],
    "targets": ["mlp_3", "mlp_4"],
}
"""The lower half of E-LTH's Table 5 in small."""


def failures(study: Study) -> list[str]:
    """What did not succeed and why, a line each; what only waited for those in vain is not told."""
    wrong = [job for job in study.jobs if job.state in ("failed", "cancelled") or job.error]
    return [f"{job.key}: {(job.error or {}).get('message', job.state)}" for job in wrong]


def parts(study: Study) -> dict[str, tuple[float, int]]:
    """By network: how many jobs' worth is done, and how many jobs there are."""
    found: dict[str, tuple[float, int]] = {}
    for job in study.jobs:
        network = job.key.split("/")[1]
        done, count = found.get(network, (0.0, 0))
        found[network] = done + job.fraction, count + 1
    return found


def named(cells: list[Cell], network: str) -> dict[str, Cell]:
    """A network's cells by the names of their arms."""
    return {cell.arm: cell for cell in cells if cell.network == network}


def accuracies(cell: Cell) -> list[float]:
    """Of every replicate, in percent."""
    return [100 * replicate.accuracy for replicate in cell.replicates]
