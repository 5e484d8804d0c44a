"""A study's worked example."""

from __future__ import annotations

from typing import Any

_ID = "7c5e" * 8
RIVALS: dict[str, Any] = {
    "study": "rivals",
    "datasets": ["digits"],
    "recipe": {"length": "20ep", "momentum": 0.9},
}
STUDY: dict[str, Any] = {
    "id": _ID,
    "spec": RIVALS | {"sources": ["mlp_2"], "targets": ["mlp_3"], "levels": [10], "seeds": [0, 1, 2]},
    "priority": 0,
    "created_at": "2026-01-01T12:00:00Z",
    "finished_at": None,
    "links": {
        "self": f"/studies/{_ID}",
        "table": f"/studies/{_ID}/table",
        "archive": f"/studies/{_ID}/archive",
        "cancel": f"/studies/{_ID}/cancel",
    },
    "counts": {"running": 2, "waiting": 30},
    "jobs": [
        {
            "key": "digits/mlp_2/10/IMP/find/seeds 0,1,2",
            "kind": "find",
            "state": "running",
            "job": "4b1d" * 8,
            "fraction": 0.4,
            "needs": [],
            "error": None,
        }
    ],
}
PLAN: dict[str, Any] = {
    "jobs": {"find": 29, "transform": 1, "train": 23},
    "keys": ["digits/mlp_2/10/IMP/find/seeds 0,1,2", "digits/mlp_3/10/from mlp_2/transform/seeds 0,1,2"],
    "cells": 14,
    "planned": [
        {
            "key": "digits/mlp_2/10/IMP/find/seeds 0,1,2",
            "kind": "find",
            "trainings": 30,
            "steps": 7200,
            "device_seconds": 14.2,
            "done": None,
        }
    ],
    "trainings": 113,
    "device_seconds": 71.5,
    "assumptions": ["mlp_2 on digits, batch 128: measured here on cpu x86_64, in 5 trainings"],
}
PLANNED_EXTENSION: dict[str, Any] = {
    "jobs": {"find": 1},
    "keys": ["digits/mlp_2/10/IMP/find/seeds 0,1,2,3"],
    "cells": 0,
    "gone": ["digits/mlp_2/10/IMP/find/seeds 0,1,2"],
}
_NOTE = "Accuracy: test accuracy after the last step, mean ± sample standard deviation over seeds 0, 1, 2."
TABLE: dict[str, Any] = {
    "columns": ["network", "level", "method", "accuracy, %", "difference", "p"],
    "rows": [["mlp_3", "10", "ETT from mlp_2", "96.94 ± 0.28", "+0.19", "0.437"]],
    "notes": [_NOTE],
    "cells": [
        {
            "dataset": "digits",
            "network": "mlp_3",
            "level": 10,
            "arm": "ETT",
            "method": "ett",
            "source": "mlp_2",
            "replicates": [
                {
                    "seed": 0,
                    "accuracy": 0.9694,
                    "sparsity": 0.914,
                    "best": 0.9722,
                    "best_epoch": 17,
                    "order_seed": 0,
                    "ticket": "9f2c" * 16,
                    "dead": 3,
                }
            ],
            "complete": True,
            "difference": {"to": "IMP", "mean": 0.0019, "pairs": 3, "p": 0.437},
            "trainings": 1,
            "seconds": 2.1,
            "shared_trainings": 10,
            "shared_seconds": 14.2,
            "jobs": ["digits/mlp_3/10/ETT from mlp_2/train/seeds 0,1,2"],
        }
    ],
}
_ACCOUNT: dict[str, Any] = {
    "name": "total",
    "jobs": 31,
    "device_seconds": 71.5,
    "lost_seconds": 0.0,
    "saved_seconds": 4.5,
}
LEDGER: dict[str, Any] = {
    "total": _ACCOUNT,
    "arms": [_ACCOUNT | {"name": "ETT"}],
    "kinds": [_ACCOUNT | {"name": "find"}],
    "jobs": [
        {
            "key": "digits/mlp_2/10/IMP/find/seeds 0,1,2",
            "kind": "find",
            "arm": "several",
            "job": "4b1d" * 8,
            "reused": False,
            "device_seconds": 14.2,
            "lost_seconds": 0.0,
            "saved_seconds": 0.0,
        }
    ],
}
FIGURE: dict[str, Any] = {
    "kind": "chart",
    "name": "cost-digits-mlp_3",
    "title": "mlp_3 on digits: accuracy against cost",
    "x": "device-seconds per seed",
    "y": "test accuracy, %",
    "curves": [
        {"name": "ETT from mlp_2", "points": [{"x": 16.3, "y": 96.94, "std": 0.28}], "level": False},
        {"name": "IMP", "points": [{"x": 15.8, "y": 96.75, "std": 0.16}], "level": False},
    ],
}
