"""The ticket of the worked example: `mlp_2` on digits, IMP level 10, stretched to `mlp_3`."""

from __future__ import annotations

from typing import Any

from api.jobs.examples import JOB, STRETCHED, SUCCEEDED, TICKET


def _links(identity: str) -> dict[str, Any]:
    here = f"/tickets/{identity}"
    return {
        "self": here,
        "file": f"{here}/file?format=elasticket",
        "files": {name: f"{here}/file?format={name}" for name in ("elasticket", "torch_prune", "onnx")},
        **{name: f"{here}/{name}" for name in ("layers", "lineage", "results", "anatomy")},
    }


ORIGIN: dict[str, Any] = {
    "method": "imp",
    "dataset": "digits",
    "seed": 0,
    "level": 10,
    "parent": None,
    "job": JOB,
    "details": {"fraction": 0.2},
    "created_at": "2026-01-31T11:00:00Z",
}
TICKET_BODY: dict[str, Any] = {
    "id": TICKET,
    "architecture": "mlp_2",
    "family": "mlp",
    "input": [1, 8, 8],
    "classes": 10,
    "rewind_step": 0,
    "prunable": 140200,
    "survivors": 15058,
    "sparsity": 0.8926,
    "level": 10,
    "file": {"header": 1480, "payload": 80597},
    "provenance": [ORIGIN],
    "tags": ["paper"],
    "created_at": "2026-01-31T11:00:00Z",
    "links": _links(TICKET),
}
CHILD: dict[str, Any] = TICKET_BODY | {
    "id": STRETCHED,
    "architecture": "mlp_3",
    "prunable": 230200,
    "survivors": 20412,
    "sparsity": 0.9113,
    "provenance": [ORIGIN | {"method": "ett", "parent": TICKET, "details": {"unit_map": "0:0;1:1,2;2:3"}}],
    "tags": [],
    "links": _links(STRETCHED),
    "jobs": [JOB],
}
LINEAGE: dict[str, Any] = {"ticket": TICKET, "ancestors": [], "children": [CHILD]}
RESULTS: dict[str, Any] = {
    "summary": [{"dataset": "digits", "point": "last", "count": 2, "mean": 0.9625, "std": 0.0059}],
    "results": [
        {
            "job": JOB,
            "architecture": "mlp_2",
            "dataset": "digits",
            "point": "last",
            "accuracy": 0.9583,
            "correct": 345,
            "total": 360,
            "loss": 0.1502,
            "epoch": 40,
            "seed": 0,
            "order_seed": 0,
            "run": 0,
            "ticket": TICKET,
        },
        {
            "job": JOB,
            "architecture": "mlp_2",
            "dataset": "digits",
            "point": "last",
            "accuracy": 0.9667,
            "correct": 348,
            "total": 360,
            "loss": 0.1311,
            "epoch": 40,
            "seed": 1,
            "order_seed": 1,
            "run": 1,
            "ticket": TICKET,
        },
    ],
}
IMPORTED: dict[str, Any] = SUCCEEDED | {
    "kind": "import",
    "spec": {
        "kind": "import",
        "sha256": "77d0" * 16,
        "size": 562_310,
        "format": None,
        "architecture": None,
        "input": None,
        "rewind_step": None,
        "steps_per_epoch": None,
        "dataset": "digits",
        "seed": 0,
        "level": 10,
        "tags": ["theirs"],
    },
    "progress": None,
    "outputs": {"tickets": [TICKET], "runs": [], "device_seconds": 0.0, "results": [], "barrier": None},
}
