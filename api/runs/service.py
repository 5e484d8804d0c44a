"""Finding the trainings that are to be compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, defer

from api.problems import INVALID_REQUEST, Flaw, Rejected, not_found
from api.runs.comparison import Compared, Trained, compare
from core.catalog.database import Database
from core.catalog.tables import Job, Result, Run
from core.tickets.failure import quoted

MOST = 12
"""Trainings in one comparison: so many curves can be told apart."""
_ACCEPTED = "JOB:NUMBER, a job's id and the number of one of its trainings"


def compared(database: Database, references: Sequence[str]) -> Compared:
    """The comparison of these trainings, each once."""
    with database.read() as session:
        return compare([find(session, reference) for reference in dict.fromkeys(references)])


def find(session: Session, reference: str) -> Trained:
    """One training, by JOB:NUMBER; raises `Rejected`."""
    if re.fullmatch(r"[0-9a-f]{32}:[0-9]{1,6}", reference) is None:
        flaw = Flaw(location="query", where="run", what="names no training", accepted=_ACCEPTED)
        detail = f"run: {quoted(reference)} names no training; accepted: {_ACCEPTED}"
        raise Rejected(INVALID_REQUEST, detail, flaw)
    job, _, number = reference.partition(":")
    run = session.get(Run, (job, int(number)))
    if run is None:
        raise not_found("training", reference)
    found = session.get(Job, job)
    assert found is not None, "a run is a job's"
    measured = select(Result).where(Result.job_id == job, Result.run == run.ordinal)
    points = {result.point: result for result in session.scalars(measured)}
    return Trained(found, run, points.get("last"), points.get("best"))


def of_job(session: Session, job: str, limit: int = MOST) -> list[str]:
    """The trainings of a job that are worth comparing: all, or where they are too many those of its first seed."""
    columns = select(Run.ordinal, Run.seed, Run.order_seed).where(Run.job_id == job).order_by(Run.ordinal)
    rows = session.execute(columns).all()
    if len(rows) > limit:
        rows = [row for row in rows if row[1:] == rows[0][1:]][:limit]
    return [f"{job}:{row.ordinal}" for row in rows]


def others(session: Session, jobs: Iterable[str], recent: int = 12) -> dict[Job, list[Run]]:
    """The trainings of these jobs, and of the latest others that trained something; no curves are read."""
    given = select(Job).where(Job.id.in_(list(jobs)))
    latest = (
        select(Job)
        .where(exists().where(Run.job_id == Job.id))
        .order_by(Job.created_at.desc(), Job.id.desc())
        .limit(recent)
    )
    found = dict.fromkeys([*session.scalars(given), *session.scalars(latest)])
    rows = (
        select(Run)
        .where(Run.job_id.in_([job.id for job in found]))
        .order_by(Run.ordinal)
        .options(defer(Run.history), defer(Run.speed), defer(Run.fingerprint))
    )
    by_id: dict[str, list[Run]] = {job.id: [] for job in found}
    for run in session.scalars(rows):
        by_id[run.job_id].append(run)
    return {job: by_id[job.id] for job in found}
