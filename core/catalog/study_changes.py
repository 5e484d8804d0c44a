"""What happens to a study after it was entered: it is cancelled, resumed, extended; a job of it is retried by itself.

Every function locks the study, so that none of them and no dispatcher sees it half changed. A job that has not ended is
of one study only: what a study takes from others are finished jobs. So a study may stop all of its own that are under
way, and stops nobody else's.
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.catalog import jobs, studies
from core.catalog.tables import Study, StudyJob
from core.jobs.identity import SPEC_VERSION
from core.jobs.states import State
from core.studies.expansion import Expansion
from core.studies.nodes import Node

CANCELLED = {"reason": "cancelled", "message": "the study was cancelled"}
UNSUCCESSFUL = frozenset({State.FAILED, State.CANCELLED, State.CANCELLING})


def cancel(session: Session, study: Study) -> None:
    """Ask for nothing more, and cancel what was asked for and has not ended; a locked study that is over stays so."""
    if study.finished_at is not None:
        return
    for row in study.jobs:
        if row.job is None:
            row.error = row.error or CANCELLED
        elif row.job.state in jobs.CANCELLABLE:
            jobs.cancel(session, row.job.id)
    session.flush()
    studies.end(session, study)


def resumable(study: Study) -> bool:
    """Whether any of its jobs failed, was cancelled, or could not be asked for."""
    return any(_unsuccessful(row) for row in study.jobs)


def resume(session: Session, study: Study, max_attempts: int) -> None:
    """Ask again for whatever of a locked study did not succeed, and for what waits for that: it is open again.

    One that is just being stopped is asked for again at once; it may still finish, and share its trainings.
    """
    earlier = {row.key: row.job_id for row in study.jobs if _unsuccessful(row)}
    for row in study.jobs:
        if row.key in earlier:
            row.job = row.error = None
    _reopen(session, study)
    studies.proceed(session, study, max_attempts, instead_of=earlier)


def _unsuccessful(row: StudyJob) -> bool:
    return row.error is not None or (row.job is not None and row.job.state in UNSUCCESSFUL)


def extend(session: Session, study: Study, expansion: Expansion, max_attempts: int) -> None:
    """Make a locked study that of a longer spec: it is open again.

    A row whose key is still there keeps its job, for the key says what that does; what it needs may now be called
    otherwise. Rows whose keys are gone go: that of a job for some seeds gives way to that of one for more. Their jobs
    stay, and one that runs may finish: those that take its place find its trainings, and figures that were shown
    remain. What has not begun is cancelled.
    """
    study.spec, study.spec_version = expansion.spec.model_dump(mode="json"), SPEC_VERSION
    rows = {row.key: row for row in study.jobs}
    for key in gone(study, expansion):
        row = rows.pop(key)
        if row.job is not None and row.job.state == State.QUEUED:
            jobs.cancel(session, row.job.id)
        session.delete(row)
    for position, node in enumerate(expansion.nodes.values()):
        if node.key in rows:
            rows[node.key].position, rows[node.key].body = position, dict(node.body)
        else:
            session.add(studies.to_come(study.id, position, node))
    _reopen(session, study)
    studies.proceed(session, study, max_attempts)


def added(study: Study, expansion: Expansion) -> list[Node]:
    """The jobs of a longer spec that a study has not."""
    had = {row.key for row in study.jobs}
    return [node for node in expansion.nodes.values() if node.key not in had]


def gone(study: Study, expansion: Expansion) -> list[str]:
    """The keys of a study's jobs that a longer spec has not."""
    return [row.key for row in study.jobs if row.key not in expansion.nodes]


def _reopen(session: Session, study: Study) -> None:
    study.finished_at = None
    session.flush()
    session.expire(study, ["jobs"])


def take_up(session: Session, job_id: str, retry: str) -> None:
    """Have every study whose job was retried by itself wait for the retry instead: it is open again."""
    having = select(StudyJob.study_id).where(StudyJob.job_id == job_id).distinct()
    for study_id in session.scalars(having.order_by(StudyJob.study_id)).all():
        study = studies.locked(session, study_id)
        assert study is not None, "it has rows"
        replaced = update(StudyJob).where(StudyJob.study_id == study_id, StudyJob.job_id == job_id)
        if session.execute(replaced.values(job_id=retry).returning(StudyJob.key)).all():
            study.finished_at = None
