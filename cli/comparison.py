"""A study played through the API: the stretched ticket beside its rivals."""

from __future__ import annotations

from collections.abc import Callable

from api.client import Client
from api.client.models.requests import StudyRequest
from api.client.models.studies import Cell, Study, Table

TABLE_5: StudyRequest = {
    "study": "elth_fc",
    "scale": "small",
    "sources": ["mlp_2"],
    "targets": ["mlp_3", "mlp_4"],
}
"""The lower half of E-LTH's Table 5 in small."""

Progress = Callable[[dict[str, tuple[float, int]]], None]
"""Is told, of every part, the jobs done and all its jobs."""


def play(client: Client, asked: StudyRequest, progress: Progress) -> tuple[Study, Table]:
    """Ask for a study and follow it; raises ApiError."""
    return follow(client, client.create_study(**asked), progress)


def follow(client: Client, study: Study, progress: Progress) -> tuple[Study, Table]:
    """The study when nothing of it is left to do, and its table; raises ApiError."""
    ended = client.wait_study(study, told=lambda seen: progress(parts(seen)))
    return ended, client.table(ended)


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
