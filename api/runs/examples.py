"""A worked example of compared trainings."""

from __future__ import annotations

from typing import Any

from api.jobs.examples import RUN_SUMMARY

_JOB = "4b1d" * 8
_TRAINED: dict[str, Any] = {
    "name": "mlp_3 · seed 0",
    "job": _JOB,
    **RUN_SUMMARY,
    "accuracy": 0.9694,
    "best_accuracy": 0.975,
    "best_epoch": 31,
    "test_loss": 0.1234,
}

COMPARED: dict[str, Any] = {
    "runs": [_TRAINED, _TRAINED | {"name": "mlp_3 · seed 1", "number": 1, "seed": 1, "order_seed": 1}],
    "differing": [
        {"group": "training", "field": "seed", "values": [0, 1]},
        {"group": "training", "field": "order_seed", "values": [0, 1]},
    ],
    "common": {
        "training": {"architecture": "mlp_3", "dataset": "digits"},
        "job": {"kind": "train", "exact": False},
        "recipe": {"length": "40ep", "batch": 128},
        "fingerprint": {"torch": "2.13.0", "threads": 1, "device": "cpu"},
    },
    "figures": [
        {
            "kind": "chart",
            "name": "accuracy",
            "title": "Test accuracy",
            "x": "epoch",
            "y": "test accuracy, %",
            "curves": [
                {
                    "name": "mlp_3 · seed 0",
                    "points": [{"x": 1.0, "y": 74.17, "std": None}, {"x": 2.0, "y": 86.39, "std": None}],
                    "level": False,
                }
            ],
        }
    ],
}
