"""Studies: rows of jobs to come, which are asked for as soon as the tickets that they need are there."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from core import tracing
from core.catalog import jobs, reuse, tickets
from core.catalog.database import now
from core.catalog.paging import Cursor, Page, newest_first
from core.catalog.tables import Job, Study, StudyJob
from core.jobs.identity import SPEC_VERSION
from core.jobs.specs import JobSpec, Trained, parse_spec
from core.jobs.states import TERMINAL, State
from core.studies.expansion import Expansion
from core.studies.nodes import Node, resolved
from core.studies.spec import StudySpec

BLOCKED = "blocked"
"""The standing of a job that can never be asked for, because one that it needs did not succeed."""


def create(session: Session, spec: StudySpec, nodes: Sequence[Node], priority: int = 0) -> Study:
    """Enter a study; its jobs, all of that priority, follow when `advance` is called."""
    study = Study(
        id=uuid.uuid4().hex,
        spec=spec.model_dump(mode="json"),
        priority=priority,
        trace=tracing.carrier(),
    )
    session.add(study)
    session.add_all(to_come(study.id, position, node) for position, node in enumerate(nodes))
    session.flush()
    session.refresh(study)
    return study


def to_come(study_id: str, position: int, node: Node) -> StudyJob:
    """A job to come."""
    return StudyJob(study_id=study_id, key=node.key, position=position, kind=node.kind, body=dict(node.body))


def get(session: Session, study_id: str) -> Study | None:
    """One study."""
    study = session.get(Study, study_id)
    return None if study is None or study.deleted_at is not None else study


def page(session: Session, limit: int, after: Cursor | None = None) -> Page[Study]:
    """Studies, newest first."""
    return newest_first(session, Study, limit, after)


def locked(session: Session, study_id: str) -> Study | None:
    """One study, locked: those that change one study do it one after the other."""
    query = select(Study).where(Study.id == study_id).with_for_update()
    return session.scalar(query.execution_options(populate_existing=True))


def standings(study: Study) -> dict[str, str]:
    """Of every job, by key: its state; `waiting` where it has not been asked for, or `blocked`."""
    return _standings(
        _Row(row.key, node(row).needs, row.job.state if row.job else None, row.error is not None)
        for row in study.jobs
    )


class _Row(NamedTuple):
    """A row: its job's state, if it has one, and whether it never can have one."""

    key: str
    needs: tuple[str, ...]
    state: str | None
    hopeless: bool


def _standings(places: Iterable[_Row]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, needs, state, hopeless in places:
        needed = [found[each] for each in needs]
        if state is not None:
            found[key] = state
        elif hopeless or any(state in (BLOCKED, State.FAILED, State.CANCELLED) for state in needed):
            found[key] = BLOCKED
        else:
            found[key] = State.WAITING
    return found


@dataclass(frozen=True)
class Outlook:
    """How a study stands: the keys of the jobs to ask for now, and whether nothing is left to do."""

    ready: list[str]
    over: bool


def outlook(session: Session, study_id: str) -> Outlook:
    """How a study stands. Of its jobs no more is read than that takes: there may be thousands."""
    to_come = case((StudyJob.job_id.is_(None), StudyJob.body))
    query = select(StudyJob.key, StudyJob.kind, to_come, StudyJob.error, Job.state).outerjoin(StudyJob.job)
    rows = session.execute(query.where(StudyJob.study_id == study_id).order_by(StudyJob.position))
    places = [
        _Row(key, Node(key, kind, body).needs if state is None else (), state, error is not None)
        for key, kind, body, error, state in rows
    ]
    states = _standings(places)
    ready = [
        key
        for key, needs, *_ in places
        if states[key] == State.WAITING and all(states[each] == State.SUCCEEDED for each in needs)
    ]
    return Outlook(ready, all(state == BLOCKED or state in TERMINAL for state in states.values()))


class Pulse(NamedTuple):
    """How many of a study's jobs have ended, and when the last did; whose study it is, and of which trace."""

    project: str
    ended: int
    last: float | None
    trace: str | None


def pulses(session: Session) -> dict[str, Pulse]:
    """Of every open study that this version can read.

    While it is the same, `advance` would change nothing that it did not change before.
    """
    query = select(
        Study.id, Study.project, func.count(Job.finished_at), func.max(Job.finished_at), Study.trace
    )
    rows = session.execute(
        query.outerjoin(Study.jobs)
        .outerjoin(StudyJob.job)
        .where(Study.finished_at.is_(None), Study.spec_version <= SPEC_VERSION)
        .group_by(Study.id)
    )
    return {study: Pulse(project, ended, last, trace) for study, project, ended, last, trace in rows}


def advance(session: Session, study_id: str, max_attempts: int) -> None:
    """Ask for every job whose tickets are there, and mark the study's end. Any number may do this at once."""
    study = locked(session, study_id)
    if study is not None and study.finished_at is None:
        proceed(session, study, max_attempts)


def proceed(
    session: Session, study: Study, max_attempts: int, instead_of: Mapping[str, str | None] | None = None
) -> None:
    """Ask for every job of a locked study whose tickets are there, and mark its end.

    A job that is identical to a finished one is that one, so what follows from it may be asked for in the same breath.
    `instead_of` names, by key, jobs that did not succeed, of which these are retries.
    """
    while (look := outlook(session, study.id)).ready:
        asked = [session.get_one(StudyJob, (study.id, key)) for key in look.ready]
        for row in asked:
            _ask(session, row, max_attempts, (instead_of or {}).get(row.key))
        session.flush()
        if all(row.job is not None and row.job.state == State.QUEUED for row in asked):
            return
    _end(session, study, look)


def end(session: Session, study: Study) -> None:
    """Mark a study's end, if nothing is left to do."""
    _end(session, study, outlook(session, study.id))


def _end(session: Session, study: Study, look: Outlook) -> None:
    if study.finished_at is None and look.over:
        study.finished_at = session.scalar(select(now()))


def _ask(session: Session, row: StudyJob, max_attempts: int, retry_of: str | None) -> None:
    def done_by(key: str) -> Job:
        job = session.get_one(StudyJob, (row.study_id, key)).job
        assert job is not None, "only what has succeeded is asked"
        return job

    def produced(key: str) -> list[tuple[str, int]]:
        return made(session, done_by(key))

    try:
        spec = spec_of(row.kind, resolved(row.body, produced, lambda key: done_by(key).id))
    except (ValidationError, ValueError, IndexError) as error:
        row.error = {"reason": "unsuitable", "message": str(error)}
        return
    digest = reuse.digest(session, spec)
    done = reuse.finished(session, digest) if digest is not None else None
    priority = session.get_one(Study, row.study_id).priority
    row.job = done or jobs.create(
        session, spec, max_attempts, retry_of=retry_of, digest=digest, priority=priority
    )


def made(session: Session, job: Job) -> list[tuple[str, int]]:
    """The tickets of a job, in order, with their survivors."""
    rows = [tickets.get(session, identity) for identity in dict.fromkeys(o.ticket_id for o in job.outputs)]
    return [(ticket.id, ticket.survivors) for ticket in rows if ticket is not None]


def spec_of(kind: str, body: Mapping[str, Any]) -> JobSpec:
    """What a job is asked, whose body has no references left."""
    spec = parse_spec({"kind": kind, **body})
    return spec.complete(None) if isinstance(spec, Trained) else spec


def node(row: StudyJob) -> Node:
    """A row as the expansion has it."""
    return Node(row.key, row.kind, row.body)  # type: ignore[arg-type]


def fraction(row: StudyJob) -> float:
    """How far a job of a study is, from 0 to 1."""
    if row.job is None:
        return 0.0
    if row.job.state == State.SUCCEEDED:
        return 1.0
    return _share(row.job.progress)


def _share(progress: Mapping[str, Any] | None) -> float:
    return min(1.0, progress["done"] / progress["total"]) if progress and progress["total"] else 0.0


@dataclass(frozen=True)
class Extent:
    """How many jobs a study has, and what share of them is done."""

    jobs: int
    share: float


def extents(session: Session, study_ids: Sequence[str]) -> dict[str, Extent]:
    """Of some studies. Counted by the database: there may be thousands of jobs."""
    ours = StudyJob.study_id.in_(study_ids)
    succeeded = func.count(case((Job.state == State.SUCCEEDED, 1)))
    counted = session.execute(
        select(StudyJob.study_id, func.count(), succeeded)
        .outerjoin(StudyJob.job)
        .where(ours)
        .group_by(StudyJob.study_id)
    ).all()
    begun = session.execute(
        select(StudyJob.study_id, Job.progress)
        .join(StudyJob.job)
        .where(ours, Job.state != State.SUCCEEDED, Job.progress.is_not(None))
    )
    partly: dict[str, float] = defaultdict(float)
    for study_id, progress in begun:
        partly[study_id] += _share(progress)
    return {study_id: Extent(n, (done + partly[study_id]) / n) for study_id, n, done in counted}


def why(row: StudyJob) -> str | None:
    """Why a job of a study did not succeed."""
    error = row.error or (row.job.error if row.job else None)
    return None if error is None else str(error["message"])


def spec(study: Study) -> StudySpec:
    """What a stored study asks."""
    return StudySpec.model_validate(study.spec)


def expansion(study: Study) -> Expansion:
    """What a stored study expands to: its cells name the keys of its jobs."""
    return Expansion(spec(study))


def asking_for(session: Session, job_id: str) -> Sequence[StudyJob]:
    """The rows of the studies that asked for a job, the latest study first."""
    query = select(StudyJob).join(Study, Study.id == StudyJob.study_id).where(StudyJob.job_id == job_id)
    return session.scalars(query.order_by(Study.created_at.desc(), StudyJob.position)).all()
