"""A study played through the API: the stretched ticket beside its rivals."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cli.client import Client, Json

POLL_SECONDS = 0.4

TABLE_5: Json = {
    "study": "elth_fc",
    "scale": "small",
    "sources": ["mlp_2"],
    "targets": ["mlp_3", "mlp_4"],
}
"""The lower half of E-LTH's Table 5 in small."""

Progress = Callable[[dict[str, tuple[float, int]]], None]
"""Is told, of every part, the jobs done and all its jobs."""


def play(client: Client, asked: Json, progress: Progress) -> tuple[Json, Json]:
    """Ask for a study and follow it; raises ApiError."""
    return follow(client, client.submit("studies", asked), progress)


def follow(client: Client, study: Json, progress: Progress) -> tuple[Json, Json]:
    """The study when nothing of it is left to do, and its table; raises ApiError."""
    while study["finished_at"] is None:
        progress(parts(study))
        time.sleep(POLL_SECONDS)
        study = client.get(f"/studies/{study['id']}")
    progress(parts(study))
    return study, client.get(f"/studies/{study['id']}/table")


def failures(study: Json) -> list[str]:
    """What did not succeed and why, a line each; what only waited for those in vain is not told."""
    wrong = [job for job in study["jobs"] if job["state"] in ("failed", "cancelled") or job["error"]]
    return [f"{job['key']}: {(job['error'] or {}).get('message', job['state'])}" for job in wrong]


def parts(study: Json) -> dict[str, tuple[float, int]]:
    """By network: how many jobs' worth is done, and how many jobs there are."""
    found: dict[str, tuple[float, int]] = {}
    for job in study["jobs"]:
        network = job["key"].split("/")[1]
        done, count = found.get(network, (0.0, 0))
        found[network] = done + job["fraction"], count + 1
    return found


def named(table: Json, network: str) -> dict[str, Json]:
    """A network's cells by the names of their arms."""
    return {cell["arm"]: cell for cell in table["cells"] if cell["network"] == network}


def percentages(cell: Json, field: str) -> list[Any]:
    """A figure of every replicate, in percent."""
    return [100 * replicate[field] for replicate in cell["replicates"]]
