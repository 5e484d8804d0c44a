"""Taking a queued job: it becomes this worker's, by a lease and a new fencing token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Double, FromClause, Insert, bindparam, insert, select, update
from sqlalchemy.orm import Session

from core.catalog.chain import Chain
from core.catalog.database import now
from core.catalog.jobs import moved, state_told, tell_state
from core.catalog.tables import Base
from core.jobs.identity import SPEC_VERSION
from core.jobs.states import State, sources


class Claimed(NamedTuple):
    """A job, as far as the worker must know it whose attempt holds it now."""

    id: str
    attempt: int
    project: str
    kind: str
    need: str
    spec: dict[str, Any]
    gpus: list[int] | None
    trace: str | None


_JOBS, _ATTEMPTS = Base.metadata.tables["jobs"], Base.metadata.tables["attempts"]


def _begin(job: FromClause) -> Insert:
    row = select(job.c.id, job.c.attempt, bindparam("new_worker"))
    return insert(_ATTEMPTS).from_select(("job_id", "attempt", "worker"), row, include_defaults=False)


_WAITING = (
    select(_JOBS.c.id)
    .where(_JOBS.c.id == bindparam("job"), _JOBS.c.state.in_(sources(State.RUNNING)))
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_CLAIM = Chain(
    update(_JOBS)
    .where(_JOBS.c.id == _WAITING)
    .values(
        moved(_JOBS.c, State.RUNNING)
        | {name: bindparam(f"new_{name}") for name in ("worker", "pool", "gpus")}
        | {
            "attempt": _JOBS.c.attempt + 1,
            "started_at": now(),
            "lease_until": now() + bindparam("lease", None, Double()),
            # Its training states are from now on of this version.
            "spec_version": SPEC_VERSION,
        }
    )
    .returning(*(_JOBS.c[name] for name in (*Claimed._fields, "last_event", "progress"))),
    tell_state,
    _begin,
)
_EXPECT = update(_JOBS).where(_JOBS.c.id == bindparam("job")).values(progress=bindparam("new_progress"))


def claim(
    session: Session,
    job_id: str,
    worker: str,
    lease_seconds: float,
    pool: str | None = None,
    gpus: Sequence[int] | None = None,
) -> Claimed | None:
    """Take a queued job; None where it is not queued (any more), or just being taken. Two claims cannot both succeed.

    `worker`: the slot that does it; `pool`: the worker whose slot that is; `gpus`: the numbers of those it gets.
    """
    row = _CLAIM.do(
        session,
        {
            "job": job_id,
            "lease": lease_seconds,
            "new_worker": worker,
            "new_pool": pool,
            "new_gpus": None if gpus is None else list(gpus),
            "told": state_told(State.RUNNING),
        },
    )
    if row is None:
        return None
    if row.progress is not None:
        # What the attempt before expected of its own rate says nothing of this one.
        expected = {"job": job_id, "new_progress": {**row.progress, "eta_seconds": None}}
        session.connection().execute(_EXPECT, expected)
    return Claimed(*row[: len(Claimed._fields)])
