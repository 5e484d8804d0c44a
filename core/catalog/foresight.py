"""Jobs of a study that need not be done, because identical ones have finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import ValidationError
from sqlalchemy.orm import Session

from core.catalog import reuse, studies
from core.catalog.tables import Job
from core.studies.nodes import Node, resolved


def answered(session: Session, nodes: Mapping[str, Node]) -> dict[str, str]:
    """By key, the finished jobs that these will be, as far as what they need is there already."""
    done: dict[str, Job] = {}

    def produced(key: str) -> Sequence[tuple[str, int]]:
        return studies.made(session, done[key])

    for key, node in nodes.items():
        if not set(node.needs) <= done.keys():
            continue
        try:
            spec = studies.spec_of(node.kind, resolved(node.body, produced, lambda need: done[need].id))
        except (ValidationError, ValueError, IndexError):
            # It will be told when it is asked for.
            continue
        digest = reuse.digest(session, spec)
        job = reuse.finished(session, digest) if digest is not None else None
        if job is not None:
            done[key] = job
    return {key: job.id for key, job in done.items()}
