"""What a study's jobs came to, read from the rows of their trainings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from core.catalog.artifacts import ArtifactMissing, ArtifactStore
from core.catalog.tables import Job, Result, Run, Study, Ticket
from core.jobs.states import State
from core.studies.report import Done, Trial
from core.tickets import InvalidTicket, read
from core.tickets.dead import dead_neurons

Rows = Iterable[Row[Any]]


def done(session: Session, study: Study, store: ArtifactStore | None = None) -> dict[str, Done]:
    """What has succeeded, by key. Dead neurons are counted where there is a `store` to read tickets from."""
    ended = {row.key: row.job for row in study.jobs if row.job and row.job.state == State.SUCCEEDED}
    ids = {job.id for job in ended.values()}
    # Columns, not rows: a run's history is long, and nothing here looks at it.
    runs = _by_job(
        session.execute(
            select(
                Run.job_id, Run.ordinal, Run.seed, Run.order_seed, Run.ticket_id, Run.sparsity, Run.seconds
            )
            .where(Run.job_id.in_(ids))
            .order_by(Run.job_id, Run.ordinal)
        )
    )
    results = _by_job(
        session.execute(
            select(
                Result.job_id,
                Result.run,
                Result.point,
                Result.alpha,
                Result.epoch,
                Result.correct,
                Result.total,
            )
            .where(Result.job_id.in_(ids))
            .order_by(Result.job_id, Result.ordinal)
        )
    )
    trained = {run.ticket_id for key in ended for run in runs[ended[key].id] if ended[key].kind == "train"}
    dead = _dead(session, store, trained - {None}) if store is not None else {}
    return {key: _done(job, runs[job.id], results[job.id], dead) for key, job in ended.items()}


def _by_job(rows: Rows) -> dict[str, list[Row[Any]]]:
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row.job_id].append(row)
    return found


def _done(job: Job, runs: list[Row[Any]], results: list[Row[Any]], dead: Mapping[str, int | None]) -> Done:
    points = {(result.run, result.point): result for result in results if result.run is not None}
    trials = []
    for run in runs:
        last, best = points.get((run.ordinal, "last")), points.get((run.ordinal, "best"))
        if last is not None:
            trials.append(
                Trial(
                    run.seed,
                    last.correct / last.total,
                    run.sparsity,
                    best=best.correct / best.total if best else None,
                    best_epoch=best.epoch if best else None,
                    order_seed=run.order_seed,
                    ticket=run.ticket_id,
                    dead=dead.get(run.ticket_id),
                )
            )
    between = [(one.alpha, one.correct / one.total) for one in results if one.alpha is not None]
    multiplier = (job.spec.get("sparsity_schedule") or {}).get("multiplier", 1)
    seconds = sum(run.seconds for run in runs)
    return Done(tuple(trials), len(runs) * multiplier, seconds, tuple(sorted(between)))


def _dead(session: Session, store: ArtifactStore, tickets: set[str]) -> dict[str, int | None]:
    """Dead neurons of tickets, by id; what cannot be read is left out."""
    found: dict[str, int | None] = {}
    files = session.execute(select(Ticket.id, Ticket.file_digest).where(Ticket.id.in_(tickets)))
    for identity, digest in files:
        try:
            found[identity] = _dead_in(store.intact(digest))
        except (ArtifactMissing, InvalidTicket, OSError):
            continue
    return found


@lru_cache(maxsize=4096)
def _dead_in(path: Path) -> int | None:
    """Counted once: a file of the store is named by its content."""
    ticket = read(path).ticket
    return dead_neurons(ticket.architecture, ticket.bool_masks())
