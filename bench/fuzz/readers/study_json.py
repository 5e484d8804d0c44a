"""The `study.json` of an archive, in a zip that is sound, and the study that it asks for, expanded into its jobs."""

from __future__ import annotations

import json

from pydantic import ValidationError

from bench.fuzz import samples
from bench.fuzz.unpacking import opened_study
from core.elastic.refusal import Refused
from core.interchange.studies import BadArchive
from core.studies.expansion import Expansion
from core.studies.spec import StudySpec

REFUSED = (BadArchive, ValidationError, Refused)


def seeds() -> list[bytes]:
    """A finished study of one job."""
    run = {
        "architecture": "mlp_2",
        "dataset": "digits",
        "ticket": None,
        "seed": 0,
        "order_seed": 0,
        "level": None,
        "sparsity": 0.5,
        "start_step": 0,
        "steps": 480,
        "seconds": 1.5,
        "shared": False,
        "speed": None,
        "fingerprint": 0,
        "weights_digest": "0" * 64,
    }
    result = {
        "run": 0,
        "point": "last",
        "dataset": "digits",
        "correct": 9,
        "total": 10,
        "loss": 0.5,
        "epoch": 1,
        "seed": 0,
        "ticket": None,
        "alpha": None,
    }
    job = {
        "key": "dense",
        "kind": "train",
        "state": "succeeded",
        "spec": {"kind": "train"},
        "error": None,
        "started_at": None,
        "finished_at": None,
        "tickets": [],
        "runs": [run],
        "results": [result],
    }
    study = {
        "format": "elasticket-study/1",
        "versions": {"elasticket": "0.1.0", "numerics": 1},
        "spec": {"study": "rivals", "datasets": ["digits"], "sources": ["mlp_2"], "targets": ["mlp_3"]},
        "created_at": "2026-01-01T00:00:00Z",
        "finished_at": None,
        "fingerprints": [{"torch": "2", "threads": 1}],
        "tickets": [],
        "jobs": [job],
    }
    return [json.dumps(study).encode()]


def read(data: bytes) -> None:
    """Open the archive that holds this; check the study that it asks for."""
    archive = opened_study(samples.zipped({"study.json": data}))
    Expansion(StudySpec.model_validate(archive.spec))
