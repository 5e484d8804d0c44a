"""Finished jobs that answer new ones: found by the digest of everything that a job's results follow from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from core.catalog import architectures, tickets
from core.catalog.tables import Job
from core.jobs.identity import job_digest
from core.jobs.specs import ConnectSpec, EvaluateSpec, FindSpec, JobSpec, TrainSpec, TransformSpec
from core.jobs.states import State

_LATEST = (Job.finished_at.desc(), Job.id)
_ANSWERS = (Job.state == State.SUCCEEDED, Job.weights_dropped_at.is_(None))
# Nobody deletes it while it becomes the answer.
_HELD: dict[str, Any] = {"read": True, "key_share": True}
# Every request for a job asks one of these: to put it together takes as long as to run it.
_FINISHED = (
    select(Job)
    .where(Job.digest == bindparam("digest"), *_ANSWERS)
    .order_by(*_LATEST)
    .limit(1)
    .with_for_update(**_HELD)
)
_FINISHED_AMONG = (
    select(Job.digest, Job.id)
    .where(Job.digest.in_(bindparam("digests", expanding=True)), *_ANSWERS)
    .order_by(*_LATEST)
    .with_for_update(**_HELD)
)


def digest(session: Session, spec: JobSpec) -> str | None:
    """The digest of an admitted spec; None for imports, whose file goes with them, for exports, whose copies are kept,
    and for latencies, which are those of the machine and the hour.

    A ticket's id says nothing of where it comes from, and a posted name nothing of what it stands for: both count too.
    """
    match spec:
        case EvaluateSpec(latency=True):
            return None
        case FindSpec() | ConnectSpec():
            given: Sequence[str] = ()
        case TrainSpec() | EvaluateSpec():
            given = spec.tickets or ()
        case TransformSpec():
            given = spec.tickets
        case _:
            return None
    named = [hop.architecture for hop in spec.hops] if isinstance(spec, TransformSpec) else []
    return job_digest(
        spec,
        {
            "origins": [_origin(session, identity) for identity in given],
            "definitions": architectures.definitions(session, named),
        },
    )


def _origin(session: Session, identity: str) -> list[str | int | None]:
    row = tickets.get(session, identity)
    assert row is not None, "it was admitted"
    origin = tickets.origin(row)
    return [origin.dataset, origin.seed, origin.level]


def finished(session: Session, digest: str) -> Job | None:
    """The latest job of this digest that has succeeded. What it made is still here: its rows refer to the job."""
    return session.scalar(_FINISHED, {"digest": digest})


def finished_among(session: Session, digests: Sequence[str]) -> dict[str, str]:
    """By digest, the id of the job that `finished` would find."""
    found = session.execute(_FINISHED_AMONG, {"digests": list(digests)}).all() if digests else ()
    return {row.digest: row.id for row in reversed(found)}
