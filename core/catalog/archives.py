"""What a study's archive holds, read from its rows; and what an imported study came to, beside its archive."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from core.catalog import studies
from core.catalog.database import Database
from core.catalog.tables import Job, Provenance, Result, Run, Study, StudyJob
from core.jobs.identity import NUMERICS
from core.jobs.states import State
from core.studies.archive import ArchivedJob, ArchivedResult, ArchivedRun, StudyArchive, Versions
from core.studies.reproduction import MEASURED, Expected, Figures, Reproduction, StudyOutcome, compare

_RUN = tuple(name for name in ArchivedRun.model_fields if name not in ("ticket", "fingerprint"))
_RESULT = tuple(name for name in ArchivedResult.model_fields if name != "ticket")


def archived(session: Session, study: Study, version: str) -> StudyArchive:
    """The study as it stands. `version`: of this software."""
    fingerprints: list[dict[str, Any]] = []
    states = studies.standings(study)
    jobs = [_job(session, row, states[row.key], fingerprints) for row in study.jobs]
    taken = [
        identity for job in jobs for identity in [*job.tickets, *((job.spec or {}).get("tickets") or ())]
    ]
    return StudyArchive(
        format="elasticket-study/1",
        versions=Versions(elasticket=version, numerics=NUMERICS),
        spec=study.spec,
        created_at=study.created_at,  # type: ignore[arg-type]  # pydantic reads seconds since 1970
        finished_at=study.finished_at,  # type: ignore[arg-type]
        fingerprints=fingerprints,
        tickets=sorted(set(taken)),
        jobs=jobs,
    )


def _job(session: Session, row: StudyJob, state: str, fingerprints: list[dict[str, Any]]) -> ArchivedJob:
    job = row.job
    runs: list[ArchivedRun] = []
    results: list[ArchivedResult] = []
    if job is not None:
        # Histories are most of a job's rows, and are read when they are written.
        query = select(Run).where(Run.job_id == job.id).order_by(Run.ordinal).options(defer(Run.history))
        for run in session.scalars(query):
            values = {name: getattr(run, name) for name in _RUN}
            values |= {"ticket": run.ticket_id, "fingerprint": _place(run.fingerprint, fingerprints)}
            runs.append(ArchivedRun(**values))
        for result in job.results:
            values = {name: getattr(result, name) for name in _RESULT}
            results.append(ArchivedResult(**values, ticket=result.ticket_id))
    return ArchivedJob(
        key=row.key,
        kind=row.kind,
        state=state,
        spec=job.spec if job else None,
        error=row.error or (job.error if job else None),
        started_at=job.started_at if job else None,  # type: ignore[arg-type]
        finished_at=job.finished_at if job else None,  # type: ignore[arg-type]
        tickets=list(dict.fromkeys(origin.ticket_id for origin in job.outputs)) if job else [],
        runs=runs,
        results=results,
    )


def histories(database: Database, jobs: Mapping[str, str]) -> Iterator[bytes]:
    """A line of JSON per training of these jobs, given as id by key: its metrics, epoch by epoch."""
    for key, job_id in jobs.items():
        with database.read() as session:
            query = select(Run.ordinal, Run.history).where(Run.job_id == job_id).order_by(Run.ordinal)
            rows = session.execute(query).all()
        for ordinal, history in rows:
            yield json.dumps({"key": key, "run": ordinal, "history": history}).encode() + b"\n"


def reproduction(session: Session, study: Study) -> Reproduction | None:
    """How far an imported study has come out as in its archive; None for any other."""
    if study.archive is None:
        return None
    given = Expected.model_validate(study.archive)
    found = compare(given, _outcome(session, study), studies.standings(study))
    if given.numerics != NUMERICS and found.compared_runs:
        found.circumstances["numerics"] = ([given.numerics], [NUMERICS])
    return found


def _outcome(session: Session, study: Study) -> StudyOutcome:
    """What the jobs that have succeeded came to. A page asks again and again: three queries, whatever their number."""
    found = {
        row.key: Figures() for row in study.jobs if row.job is not None and row.job.state == State.SUCCEEDED
    }
    fingerprints: list[dict[str, Any]] = []
    mine = (StudyJob.study_id == study.id, Job.state == State.SUCCEEDED)
    rows = select(StudyJob.key).join(Job, Job.id == StudyJob.job_id).where(*mine)
    made = rows.join(Provenance, Provenance.job_id == Job.id).order_by(Provenance.id)
    for key, identity in session.execute(made.add_columns(Provenance.ticket_id)):
        if identity not in found[key].tickets:
            found[key].tickets.append(identity)
    runs = rows.join(Run, Run.job_id == Job.id).order_by(Run.ordinal)
    for key, digest, fingerprint in session.execute(runs.add_columns(Run.weights_digest, Run.fingerprint)):
        found[key].weights.append(digest)
        found[key].fingerprints.append(_place(fingerprint, fingerprints))
    measured = rows.join(Result, Result.job_id == Job.id).order_by(Result.ordinal)
    measured = measured.where(Result.point.in_(MEASURED))
    for key, correct, total in session.execute(measured.add_columns(Result.correct, Result.total)):
        found[key].accuracies.append(correct / total)
    return StudyOutcome(fingerprints=fingerprints, jobs=found)


def _place(fingerprint: dict[str, Any], fingerprints: list[dict[str, Any]]) -> int:
    """Where a fingerprint stands among those that differ; a new one is put last."""
    if fingerprint not in fingerprints:
        fingerprints.append(fingerprint)
    return fingerprints.index(fingerprint)
