"""`elasticket plan` against a server that answers what the test says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app

WAY = {
    "name": "elth from imagenet_resnet_26",
    "method": "elth",
    "source": "imagenet_resnet_26",
    "networks": [],
    "trainings": 9.0,
    "steps": 964040,
    "hours": 89.8,
    "rewound_hours": 85.366667,
    "device_hours": 718.4,
    "money": 1796.0,
}
ANSWER = {
    "plans": [WAY, WAY | {"name": "dense", "hours": None, "rewound_hours": None, "device_hours": 0.01234}],
    "cheapest": "elth from imagenet_resnet_26",
    "cheapest_source": "imagenet_resnet_26",
    "currency": "EUR",
    "assumptions": ["hours of one training as given, on the whole device group"],
}


@pytest.fixture
def invoke(server: Any) -> Any:
    server.answers["/plans"] = [(200, "application/json", json.dumps(ANSWER).encode())]

    def run(*words: str) -> Any:
        return CliRunner().invoke(app, ["plan", *words, "--server", server.url])

    return run


class TestPlan:
    def test_only_what_is_said_is_sent(self, server: Any, invoke: Any) -> None:
        assert invoke("mlp_2", "mlp_3", "--dataset", "digits").exit_code == 0
        (_, path, _, sent), *_ = server.seen
        assert (path, json.loads(sent)) == (
            "/plans",
            {"targets": ["mlp_2", "mlp_3"], "dataset": "digits", "level": 10, "seeds": 1, "devices": 1},
        )

    def test_everything_may_be_said(self, server: Any, invoke: Any) -> None:
        words = (
            "mlp_2 --dataset digits --level 6 --method elth --method imp --also mlp_4 --seeds 3 --devices 8"
        )
        words += (
            " --hours mlp_2=9.0 --hours mlp_4=10.8 --price 2.5 --currency EUR --multiplier 2 --set length=5ep"
        )
        assert invoke(*words.split()).exit_code == 0
        assert json.loads(server.seen[0][3]) == {
            "targets": ["mlp_2"],
            "dataset": "digits",
            "level": 6,
            "methods": ["elth", "imp"],
            "sources": ["mlp_4"],
            "hours": {"mlp_2": 9.0, "mlp_4": 10.8},
            "seeds": 3,
            "devices": 8,
            "price": 2.5,
            "currency": "EUR",
            "multiplier": 2,
            "recipe": {"length": "5ep"},
        }

    def test_the_table_has_a_row_per_way(self, invoke: Any) -> None:
        shown = invoke("mlp_2", "--dataset", "digits").output.splitlines()
        assert shown[0].split() == [
            "method",
            "trainings",
            "steps",
            "hours",
            "rewinding",
            "device",
            "hours",
            "EUR",
        ]
        row = "elth from imagenet_resnet_26 9 964,040 89.8 85.37 718.4 1,796"
        assert shown[2].split() == row.split()
        assert shown[3].split() == ["dense", "9", "964,040", "-", "-", "0.0123", "1,796"]
        assert "cheapest source: imagenet_resnet_26" in shown
        assert shown[-1] == "  hours of one training as given, on the whole device group"

    def test_as_json_it_is_the_answer(self, invoke: Any) -> None:
        assert json.loads(invoke("mlp_2", "--dataset", "digits", "--json").output) == ANSWER

    def test_hours_that_are_no_number_are_refused_here(self, server: Any, invoke: Any) -> None:
        result = invoke("mlp_2", "--dataset", "digits", "--hours", "mlp_2=long")
        assert result.exit_code == 2
        assert server.seen == []
