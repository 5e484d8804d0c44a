"""`elasticket rivals` against a server that answers what the test says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from api.studies.examples import STUDY, TABLE
from cli.main import app
from core.studies.spec import StudySpec

ID = "7c5e" * 8
REPLICATE = TABLE["cells"][0]["replicates"][0]
SPEC = StudySpec.model_validate({"study": "rivals", "datasets": ["digits"], "seeds": [0, 1]})


def study(finished: bool, *states: str) -> dict[str, Any]:
    jobs = [
        STUDY["jobs"][0]
        | {
            "key": f"digits/mlp_3/10/{state}/train/seeds 0,1",
            "state": state,
            "fraction": 0.5,
            "error": {"message": "the training loss is nan"} if state == "failed" else None,
        }
        for state in states
    ]
    finished_at = "2026-01-01T12:00:00Z" if finished else None
    return STUDY | {"spec": SPEC.model_dump(mode="json"), "finished_at": finished_at, "jobs": jobs}


def table() -> dict[str, Any]:
    cells = [
        TABLE["cells"][0]
        | {
            "arm": arm,
            "replicates": [REPLICATE | {"accuracy": 0.97}, REPLICATE | {"accuracy": 0.98}],
            "trainings": 1,
            "shared_trainings": 10,
        }
        for arm in ("ETT", "IMP")
    ]
    return {
        "columns": ["network", "level", "method", "accuracy, %", "sparsity, %", "trainings", "seconds"],
        "rows": [["mlp_3", "10", cell["arm"], "97.50 ± 0.71", "91", "1", "2"] for cell in cells],
        "notes": [],
        "cells": cells,
    }


@pytest.fixture
def answers(server: Any) -> Any:
    """Sets how the study stands whenever it is asked for."""

    def answer(*standings: dict[str, Any]) -> None:
        bodies = {
            "/studies": [standings[0]],
            f"/studies/{ID}": list(standings[1:]),
            f"/studies/{ID}/table": [table()],
        }
        server.answers = {
            path: [(200, "application/json", json.dumps(body).encode()) for body in several]
            for path, several in bodies.items()
        }

    return answer


class TestRivals:
    def test_one_request_is_followed_to_its_table(self, server: Any, answers: Any) -> None:
        answers(study(False, "running"), study(False, "running"), study(True, "succeeded"))
        words = ["rivals", "digits", "--seeds", "0,1", "--set", "lr=0.02", "--target", "mlp_4", "--markdown"]
        result = CliRunner().invoke(app, [*words, "--server", server.url])
        assert result.exit_code == 0, result.output
        (_, path, _, sent), *_ = server.seen
        assert (path, json.loads(sent)) == (
            "/studies",
            {
                "study": "rivals",
                "datasets": ["digits"],
                "levels": [10],
                "seeds": [0, 1],
                "recipe": {"lr": 0.02},
                "targets": ["mlp_4"],
            },
        )
        assert "| 10 | ETT | 97.50 ± 0.71 | 91 | 1 | 2 |" in result.output
        assert "level with IMP's own" in result.output

    def test_with_failures_the_table_is_shown_and_the_status_is_1(self, server: Any, answers: Any) -> None:
        answers(study(False, "running"), study(True, "succeeded", "failed"))
        result = CliRunner().invoke(app, ["rivals", "digits", "--server", server.url])
        assert result.exit_code == 1
        assert "97.50 ± 0.71" in result.output
        assert "digits/mlp_3/10/failed/train/seeds 0,1: the training loss is nan" in result.output
