"""Real jobs that are as small as they come, asked for over HTTP: each has a trainer process of its own."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

from sqlalchemy import func, select

from bench.throughput.noop import until_all_ended, warm_up
from bench.throughput.stack import Running
from core.catalog import history
from core.catalog.artifacts import LocalStore
from core.catalog.tables import Job
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.states import State
from core.pruning.random import random_mask
from core.tickets import Metadata, Ticket, write

KINDS: dict[str, Callable[[str, int], tuple[str, dict[str, Any]]]] = {
    "train": lambda _, number: (
        "/train",
        {"architecture": "mlp_1", "dataset": "digits", "seeds": [number], "recipe": {"length": "3it"}},
    ),
    "find": lambda _, number: (
        "/find",
        {
            "architecture": "mlp_2_16",
            "dataset": "digits",
            "method": "random",
            "parameters": {"survivors": 1000},
            "seeds": [number],
        },
    ),
    "evaluate": lambda ticket, _: ("/evaluate", {"tickets": [ticket], "dataset": "digits", "fresh": True}),
}
"""By the kind of job, the route and the body of a request: its ticket, its number. No two ask for the same work."""


def throughput(running: Running, kind: str, number: int) -> dict[str, Any]:
    """So many jobs of a kind, each asked for by a request of its own; until the last has succeeded."""
    ticket = upload(running)
    warm_up(running)
    for n in range(running.settings.slots):
        ask(running, *KINDS[kind](ticket, 10**6 + n))
    until_all_ended(running.database)
    with running.database.read() as session:
        since = session.scalars(select(func.max(Job.created_at))).one()
    began, before = time.perf_counter(), running.processor_seconds()
    for n in range(number):
        ask(running, *KINDS[kind](ticket, n))
    accepted = time.perf_counter() - began
    until_all_ended(running.database)
    after = running.processor_seconds()
    with running.database.read() as session:
        query = select(func.count(), func.min(Job.created_at), func.max(Job.finished_at))
        done = query.where(Job.created_at > since, Job.state == State.SUCCEEDED, Job.kind == kind)
        succeeded, first, last = session.execute(done).one()
        broken = list(history.violations(session, LocalStore(running.settings.artifact_directory)))
    assert first is not None
    assert last is not None
    assert succeeded == number, f"{succeeded} of {number} succeeded"
    assert not broken, broken[:5]
    return {
        "kind": kind,
        "jobs": number,
        "seconds": round(last - first, 2),
        "per_second": round(number / (last - first), 1),
        "accepted_per_second": round(number / accepted, 1),
        "processor_ms": {name: round(1000 * (after[name] - before[name]) / number, 2) for name in before},
    }


def upload(running: Running) -> str:
    """Upload a ticket of a small perceptron; its id."""
    network = architecture("mlp_2_16", (1, 8, 8), 10)
    masks = random_mask(
        {tensor.name: tensor.shape for tensor in network.prunable}, network.prunable_weights // 2, 0
    )
    stream = io.BytesIO()
    write(Ticket.from_dense(network, 0, masks, initialise(network, 0)), Metadata(dataset="digits"), stream)
    return str(_post(running, "/tickets", stream.getvalue(), "application/octet-stream")["id"])


def ask(running: Running, path: str, body: dict[str, Any]) -> None:
    """Ask for a job."""
    _post(running, path, json.dumps(body).encode(), "application/json")


def _post(running: Running, path: str, content: bytes, kind: str) -> dict[str, Any]:
    connection = HTTPConnection("127.0.0.1", running.settings.port, timeout=60)
    with closing(connection):
        connection.request("POST", path, content, {"Content-Type": kind})
        answer = connection.getresponse()
        made: dict[str, Any] = json.loads(answer.read())
        if answer.status not in (200, 201, 202):
            raise RuntimeError(f"{path}: {answer.status} {made}")
    return made
