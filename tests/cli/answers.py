"""What a server answers of one job, and the command line run against it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from typer.testing import CliRunner, Result

from api.jobs.examples import RESULT, RUN_SUMMARY, SUCCEEDED
from cli.main import app

JOB = "4b1d" * 8
TICKET = "9f2c" * 16


def job(state: str, **more: Any) -> dict[str, Any]:
    spec = {"tickets": [TICKET], "architecture": None, "dataset": "digits", "seeds": [0]}
    fields = {"kind": "train", "state": state, "spec": spec, "progress": None, "error": None}
    return SUCCEEDED | fields | more | {"outputs": outputs(**more.get("outputs", {}))}


def outputs(
    tickets: Sequence[str] = (), runs: Sequence[Any] = (), results: Sequence[Any] = (), **more: Any
) -> dict[str, Any]:
    """What a job produced, of which a test says only what it is about."""
    return {
        "tickets": list(tickets),
        "runs": [
            RUN_SUMMARY
            | one
            | {"speed": one["speed"] and RUN_SUMMARY["speed"] | one["speed"] if "speed" in one else None}
            for one in runs
        ],
        "device_seconds": 0.0,
        "results": [RESULT | one for one in results],
    } | more


def as_json(body: object, status: int = 200) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(body).encode()


def ends(server: Any, state: str, **more: Any) -> None:
    """Have the server's one job end in a state."""
    stream = f'id: 1\nevent: state\ndata: {{"state": "{state}"}}\n\n'.encode()
    server.answers[f"/jobs/{JOB}/events"] = [(200, "text/event-stream", stream)]
    server.answers[f"/jobs/{JOB}"] = [as_json(job(state, **more))]


def run(server: Any, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--server", server.url])


def sent(server: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(server.seen[0][3])
    return body
