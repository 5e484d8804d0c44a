"""What a project keeps for so many days and no longer: logs, weights, jobs, and what is kept of requests.

Nothing is dropped that no rule speaks of, and never a job of a study or one that made, trained or measured a tagged
ticket. Tickets are never dropped by age.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, exists, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from core.catalog import audit, deletion, needs
from core.catalog.audit import Act
from core.catalog.database import Database, dialect_insert, now
from core.catalog.scope import project_of
from core.catalog.tables import (
    AuditEntry,
    Event,
    IdempotencyKey,
    Job,
    Project,
    Provenance,
    Result,
    Retention,
    Run,
    StudyJob,
    TicketTag,
)
from core.jobs.states import TERMINAL

DAY = 86_400.0
BATCH = 200
"""Rows that one transaction drops: others wait for it no longer than that takes."""

Column = ColumnElement[Any]


@dataclass(frozen=True)
class Rule:
    """One thing that can be kept for so long: the `key` of those that are due, and how some are dropped; which were."""

    words: str
    key: InstrumentedAttribute[str]
    due: Callable[[Column], Select[str]]
    drop: Callable[[Session, Sequence[str]], Collection[str]]

    @property
    def table(self) -> Any:
        """Whose rows these are."""
        return self.key.class_


def rules(session: Session) -> dict[str, float]:
    """For how many days the session's project keeps what."""
    found = select(Retention.what, Retention.days).order_by(Retention.what)
    return {row.what: row.days for row in session.execute(found)}


def keep(session: Session, what: str, days: float | None) -> None:
    """Have the session's project keep something for so many days; None: for ever."""
    if days is None:
        session.execute(delete(Retention).where(Retention.what == what))
        return
    row = dialect_insert(session)(Retention).values(project=project_of(session), what=what, days=days)
    session.execute(row.on_conflict_do_update(index_elements=["project", "what"], set_={"days": days}))


def due(session: Session, kept: Mapping[str, float | None]) -> dict[str, int]:
    """How much of what rules would drop now in the session's project; `apply` may find some of it needed."""
    return {
        what: session.scalar(select(func.count()).select_from(_due(what, days).subquery())) or 0
        for what, days in kept.items()
        if days is not None
    }


def apply(database: Database, only: str | None = None) -> Iterator[tuple[str, str, int]]:
    """Drop what is due in every project, or in one; yields project, what and how many. Any number may do this."""
    with database.everywhere().read() as session:
        kept = session.execute(select(Project.name, Retention.what, Retention.days).join(Retention)).all()
    for project, what, days in kept:
        if only not in (None, project):
            continue
        dropped = sum(_batches(database.of(project), what, days))
        if dropped:
            yield project, what, dropped


def _batches(database: Database, what: str, days: float) -> Iterator[int]:
    rule, needed = RULES[what], set[str]()
    while True:
        with database.write("retention") as session:
            query = _due(what, days).where(rule.key.not_in(needed)).limit(BATCH)
            rows = session.scalars(query.with_for_update(skip_locked=True, of=rule.table)).all()
            dropped = rule.drop(session, rows)
            if dropped:
                audit.enter(session, Act("retention", "DROP", what, f"{len(dropped)} of {what}"))
        yield len(dropped)
        needed |= set(rows) - set(dropped)
        if len(rows) < BATCH:
            return


def _due(what: str, days: float) -> Select[str]:
    return RULES[what].due(now() - days * DAY)


def _ended(before: Column) -> Select[str]:
    """Jobs that were over by then and that nothing speaks for. The index knows when they were asked for."""
    over = (Job.state.in_(TERMINAL), Job.created_at < before, Job.finished_at < before)
    return select(Job.id).where(*over, ~_spoken_for()).order_by(Job.created_at)


def _spoken_for() -> ColumnElement[bool]:
    tagged = select(TicketTag.ticket_id)
    return or_(
        exists().where(StudyJob.job_id == Job.id),
        exists().where(Provenance.job_id == Job.id, Provenance.ticket_id.in_(tagged)),
        exists().where(Run.job_id == Job.id, Run.ticket_id.in_(tagged)),
        exists().where(Result.job_id == Job.id, Result.ticket_id.in_(tagged)),
    )


def _drop_logs(session: Session, jobs: Sequence[str]) -> Collection[str]:
    session.execute(
        delete(Event).where(Event.job_id.in_(jobs), Event.kind == "log"), execution_options=_PLAIN
    )
    _mark(session, jobs, log_dropped_at=now())
    return jobs


def _drop_weights(session: Session, jobs: Sequence[str]) -> Collection[str]:
    free = _free(session, jobs)
    _mark(session, free, weights_dropped_at=now())
    return free


def _drop_jobs(session: Session, jobs: Sequence[str]) -> Collection[str]:
    free = _free(session, jobs)
    deletion.empty(session, free)
    return free


def _free(session: Session, jobs: Sequence[str]) -> set[str]:
    """Those that nobody needs: a study may have come to one just before it was locked."""
    return set(jobs) - needs.trained_for_others(session, jobs) - needs.of_studies(session, jobs)


def _drop_entries(session: Session, entries: Sequence[str]) -> Collection[str]:
    session.execute(delete(AuditEntry).where(AuditEntry.id.in_(entries)), execution_options=_PLAIN)
    return entries


def _old_keys(before: Column) -> Select[str]:
    """Those that stand for no younger request, of another route, as well."""
    younger = aliased(IdempotencyKey)
    again = exists().where(younger.key == IdempotencyKey.key, younger.created_at >= before)
    return select(IdempotencyKey.key).where(IdempotencyKey.created_at < before, ~again)


def _drop_keys(session: Session, keys: Sequence[str]) -> Collection[str]:
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.key.in_(keys)), execution_options=_PLAIN)
    return keys


_PLAIN = {"synchronize_session": False}


def _mark(session: Session, jobs: Collection[str], **values: Any) -> None:
    session.execute(update(Job).where(Job.id.in_(jobs)).values(values), execution_options=_PLAIN)


def _old_entries(before: Column) -> Select[str]:
    return select(AuditEntry.id).where(AuditEntry.created_at < before)


def _with_log(before: Column) -> Select[str]:
    return _ended(before).where(Job.log_dropped_at.is_(None))


def _with_weights(before: Column) -> Select[str]:
    return _ended(before).where(Job.weights_dropped_at.is_(None), exists().where(Run.job_id == Job.id))


RULES: dict[str, Rule] = {
    "logs": Rule("what the attempts of jobs wrote", Job.id, _with_log, _drop_logs),
    "weights": Rule("the weights that trainings ended with", Job.id, _with_weights, _drop_weights),
    "jobs": Rule("jobs, with all that is known of them", Job.id, _ended, _drop_jobs),
    "keys": Rule("what an Idempotency-Key stands for", IdempotencyKey.key, _old_keys, _drop_keys),
    "audit": Rule("entries of the audit log", AuditEntry.id, _old_entries, _drop_entries),
}
"""What can be kept for some days alone: of jobs since they were over, of the others since they were written."""
