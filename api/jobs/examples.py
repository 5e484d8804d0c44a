"""One worked example for the API's documentation: a ticket found on digits, stretched and trained."""

from __future__ import annotations

from typing import Any

TICKET = "9f2c" * 16
STRETCHED = "c07e" * 16
JOB = "4b1d" * 8

FIND: dict[str, Any] = {
    "architecture": "mlp_2",
    "dataset": "digits",
    "method": "imp",
    "parameters": {"level": 10, "fraction": 0.2},
    "recipe": {"preset": "mlp", "length": "40ep", "rewind": "0it"},
    "seeds": [0, 1, 2],
}
TRANSFORM: dict[str, Any] = {"tickets": [TICKET], "architecture": "mlp_3", "order": "append"}
TRAIN: dict[str, Any] = {"tickets": [STRETCHED], "dataset": "digits", "seeds": [0]}
EVALUATE: dict[str, Any] = {"tickets": [STRETCHED], "dataset": "digits"}
CONNECT: dict[str, Any] = {"trainings": [{"job": JOB, "run": 0}, {"job": JOB, "run": 1}], "points": 21}

LINKS: dict[str, str] = {
    "self": f"/jobs/{JOB}",
    "events": f"/jobs/{JOB}/events",
    "log": f"/jobs/{JOB}/log",
    "runs": f"/jobs/{JOB}/runs",
}
SPEC: dict[str, Any] = {
    "kind": "train",
    "dataset": "digits",
    "fresh": False,
    "tickets": [STRETCHED],
    "architecture": None,
    "seeds": [0],
    "order_seeds": None,
    "sparsity_schedule": None,
    "exact": False,
    "devices": 1,
    "batch_norm": "global",
    "recipe": {
        "preset": None,
        "length": "40ep",
        "batch": 128,
        "lr": 0.1,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "milestones": [],
        "gamma": 0.1,
        "warmup": "0it",
        "rewind": "0it",
        "augment": False,
        "dense": ["fc.weight"],
        "nesterov": False,
        "decay": "all",
        "label_smoothing": 0.0,
        "optimizer": "sgd",
        "schedule": "steps",
    },
}
RUNNING: dict[str, Any] = {
    "id": JOB,
    "kind": "train",
    "state": "running",
    "meaning": "a worker holds it",
    "spec": SPEC,
    "priority": 0,
    "progress": {
        "done": 120,
        "total": 480,
        "doing": "1 of 1: seed 0",
        "fraction": 0.25,
        "eta_seconds": 1.8,
        "step_seconds": 0.005,
    },
    "worker": "gpu-1:412",
    "attempt": 1,
    "max_attempts": 5,
    "error": None,
    "retry_of": None,
    "created_at": "2026-01-31T12:00:00Z",
    "started_at": "2026-01-31T12:00:01Z",
    "finished_at": None,
    "links": LINKS | {"cancel": f"/jobs/{JOB}/cancel"},
}
RUN_SUMMARY: dict[str, Any] = {
    "number": 0,
    "architecture": "mlp_3",
    "dataset": "digits",
    "ticket": STRETCHED,
    "seed": 0,
    "order_seed": 0,
    "level": None,
    "sparsity": 0.9113,
    "start_step": 0,
    "steps": 480,
    "seconds": 2.5,
    "shared": False,
    "speed": {
        "mode": "float32",
        "replicates": 1,
        "images_per_second": 29800.0,
        "step_seconds": {"data": 0.0004, "forward, backward": 0.0023, "masks": 0.0002, "optimizer": 0.0005},
        "training_flops": {"dense": 1381200, "sparse": 122472},
        "peak_memory_bytes": 391000064,
        "device_seconds": 2.5,
        "evaluation_seconds": 0.3,
        "energy_joules": None,
    },
    "fingerprint": {"torch": "2.13.0", "threads": 1, "device": "cpu"},
    "weights_digest": "51aa" * 16,
}
RUN: dict[str, Any] = RUN_SUMMARY | {
    "history": [
        {
            "epoch": 1,
            "step": 12,
            "learning_rate": 0.1,
            "train_loss": 1.75,
            "test_loss": 0.85,
            "correct": 267,
            "total": 360,
        }
    ],
}
RESULT: dict[str, Any] = {
    "dataset": "digits",
    "point": "last",
    "accuracy": 0.9694,
    "correct": 349,
    "total": 360,
    "loss": 0.1234,
    "epoch": 40,
    "seed": 0,
    "ticket": STRETCHED,
    "run": 0,
    "alpha": None,
    "latency": None,
}
SUCCEEDED: dict[str, Any] = RUNNING | {
    "state": "succeeded",
    "meaning": "finished; its results are final",
    "progress": {
        "done": 480,
        "total": 480,
        "doing": "1 of 1: seed 0",
        "fraction": 1.0,
        "eta_seconds": None,
        "step_seconds": None,
    },
    "finished_at": "2026-01-31T12:00:04Z",
    "links": LINKS,
    "attempts": [
        {
            "attempt": 1,
            "worker": "gpu-1:412",
            "device": "cuda NVIDIA H100 80GB HBM3",
            "started_at": "2026-01-31T12:00:01Z",
            "ended_at": "2026-01-31T12:00:04Z",
            "outcome": "succeeded",
        }
    ],
    "outputs": {
        "tickets": [],
        "runs": [RUN_SUMMARY],
        "device_seconds": 2.5,
        "results": [RESULT],
        "barrier": None,
    },
}
EVENTS = """id: 1
event: state
data: {"state": "queued", "attempt": 0, "at": "2026-01-31T12:00:00Z"}

event: progress
data: {"done": 120, "total": 480, "doing": "seed 0", "fraction": 0.25, "eta_seconds": 1.8, "step_seconds": 0.005}

id: 5
event: state
data: {"state": "succeeded", "attempt": 1, "at": "2026-01-31T12:00:04Z"}
"""
LOG = "attempt 1\nreading digits from scikit-learn\n"
PLAN: dict[str, Any] = {
    "tickets": [
        {
            "ticket": TICKET,
            "source": {"architecture": "mlp_2", "input": [1, 8, 8], "classes": 10},
            "target": {"architecture": "mlp_3", "input": [1, 8, 8], "classes": 10},
            "hops": ["mlp_3"],
            "unit_map": "0:0;1:1,2;2:3",
            "stages": [
                {
                    "name": "hidden",
                    "entries": [
                        {"target": 0, "source": 0, "fixed": True, "copy": False},
                        {"target": 1, "source": 1, "fixed": False, "copy": False},
                        {"target": 2, "source": 1, "fixed": False, "copy": True},
                        {"target": 3, "source": 2, "fixed": True, "copy": False},
                    ],
                    "dropped": [],
                }
            ],
            "fixed": ["fc.weight", "fc.bias"],
            "fresh": [],
            "layers": [
                {
                    "tensor": "fc_layers.2.weight",
                    "source": "fc_layers.1.weight",
                    "size": 90000,
                    "survivors": 5354,
                    "sparsity": 0.9405,
                }
            ],
            "before": {"prunable": 140200, "survivors": 15058, "sparsity": 0.8926, "level": 10},
            "after": {"prunable": 230200, "survivors": 20412, "sparsity": 0.9113, "level": 10},
            "rewind_step": 0,
            "warnings": ["total sparsity moves from 89.26% to 91.13%; the nominal level stays 10"],
        }
    ]
}
LEDGER: dict[str, Any] = {
    "job": "4b1d" * 8,
    "kind": "find",
    "state": "succeeded",
    "devices": 1,
    "device_seconds": 14.2,
    "lost_seconds": 3.1,
    "training_seconds": 11.8,
    "evaluation_seconds": 0.6,
    "saved_seconds": 1.2,
    "attempts": [
        {"attempt": 1, "device_seconds": 3.1, "outcome": "the worker fell silent", "lost": True},
        {"attempt": 2, "device_seconds": 11.1, "outcome": "succeeded", "lost": False},
    ],
    "runs": [
        {
            "number": 0,
            "architecture": "mlp_2",
            "dataset": "digits",
            "seed": 0,
            "level": 0,
            "steps": 480,
            "device_seconds": 1.2,
            "evaluation_seconds": 0.1,
            "shared": True,
        }
    ],
    "levels": [{"level": 0, "device_seconds": 0.0, "saved_seconds": 1.2}],
}
