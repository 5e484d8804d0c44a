"""Device-seconds that a study was predicted to take, against what it then took, on a service of its own.

One study teaches the service its pace: other levels, lengths and networks than those of the studies that are predicted.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from api.client import Client
from api.client.models.requests import StudyRequest
from cli.installation import address, running
from core.settings import Settings

_ARMS = ("ett", "imp", "random", "snip", "dense")


def _study(sources: list[str], targets: list[str], level: int, recipe: Any, **change: Any) -> Any:
    arms = [{"name": method, "method": method} for method in _ARMS]
    return {
        "datasets": ["digits"],
        "sources": sources,
        "targets": targets,
        "levels": [level],
        "arms": arms,
        "recipe": recipe,
    } | change


CALIBRATION = _study(["mlp_2"], ["mlp_3"], 2, {"length": "20ep", "momentum": 0.9, "lr": 0.02})
STUDIES: dict[str, StudyRequest] = {
    "the same networks, longer and deeper": _study(
        ["mlp_2"], ["mlp_3"], 6, {"length": "40ep", "momentum": 0.9, "lr": 0.02}
    ),
    "networks never trained here": _study(
        ["mlp_4"], ["mlp_5", "mlp_6"], 4, {"length": "30ep", "momentum": 0.9, "lr": 0.02}
    ),
}


def compare() -> list[dict[str, Any]]:
    """By study: what was predicted, what it took, their ratio."""
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(home=Path(name), host="127.0.0.1", port=0, database_url="")
        with (
            running(settings, lambda _: None) as (started, _),
            Client(address(started), patience=60, starting=True) as client,
        ):
            client.wait_study(client.create_study(**CALIBRATION))
            return [_predicted(client, said, asked) for said, asked in STUDIES.items()]


def _predicted(client: Client, said: str, asked: StudyRequest) -> dict[str, Any]:
    planned = client.plan_study(**asked)
    study = client.wait_study(client.create_study(**asked))
    taken = client.study_ledger(study).total.device_seconds
    assert planned.device_seconds is not None, "the first study taught the service its pace"
    return {
        "study": said,
        "jobs": len(study.jobs),
        "trainings": planned.trainings,
        "predicted": round(planned.device_seconds, 2),
        "taken": round(taken, 2),
        "ratio": round(planned.device_seconds / taken, 3),
    }
