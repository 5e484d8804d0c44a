"""A finished or running job as a request that may be changed and sent again."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from api.pages.formats import pretty
from core.catalog.tables import Job

POSTED = ("find", "transform", "train", "evaluate", "connect")
"""The kinds that are asked for by a JSON body: an import comes with a file, an export of a download."""


@dataclass(frozen=True)
class Again:
    """Where to send it, its body to be edited, and the same as a line for a shell."""

    path: str
    body: str
    curl: str


def again(job: Job, base: str) -> Again | None:
    """The request that a job would be asked for with; None for kinds that have none."""
    if job.kind not in POSTED:
        return None
    path = f"/{job.kind}"
    spec = _said({name: value for name, value in job.spec.items() if name != "kind"})
    data = shlex.quote(json.dumps(spec, ensure_ascii=False))
    curl = f"curl -sS {base}{path} -H 'Content-Type: application/json' -d {data}"
    return Again(path, pretty(spec), curl)


def _said(value: object) -> object:
    """Without the nulls, which stand for what was not asked."""
    match value:
        case dict():
            return {name: _said(inside) for name, inside in value.items() if inside is not None}
        case list():
            return [_said(inside) for inside in value]
    return value
