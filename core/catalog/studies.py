"""Studies: rows of jobs to come, which are asked for as soon as the tickets that they need are there."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.catalog import jobs, reuse, tickets
from core.catalog.database import now
from core.catalog.paging import Cursor, Page, newest_first
from core.catalog.tables import Job, Study, StudyJob
from core.jobs.specs import JobSpec, Trained, parse_spec
from core.jobs.states import TERMINAL, State
from core.studies.expansion import Expansion
from core.studies.nodes import Node, resolved
from core.studies.spec import StudySpec

BLOCKED = "blocked"
"""The standing of a job that can never be asked for, because one that it needs did not succeed."""


def create(session: Session, spec: StudySpec, nodes: Sequence[Node]) -> Study:
    """Enter a study; its jobs follow when `advance` is called."""
    study = Study(id=uuid.uuid4().hex, spec=spec.model_dump(mode="json"))
    study.jobs = [
        StudyJob(key=node.key, position=position, kind=node.kind, body=dict(node.body))
        for position, node in enumerate(nodes)
    ]
    session.add(study)
    session.flush()
    session.refresh(study)
    return study


def get(session: Session, study_id: str) -> Study | None:
    """One study."""
    return session.get(Study, study_id)


def page(session: Session, limit: int, after: Cursor | None = None) -> Page[Study]:
    """Studies, newest first."""
    return newest_first(session, Study, limit, after)


def standings(study: Study) -> dict[str, str]:
    """Of every job, by key: its state; `waiting` where it has not been asked for, or `blocked`."""
    found: dict[str, str] = {}
    for row in study.jobs:
        needed = [found[key] for key in node(row).needs]
        if row.job is not None:
            found[row.key] = row.job.state
        elif row.error or any(state in (BLOCKED, State.FAILED, State.CANCELLED) for state in needed):
            found[row.key] = BLOCKED
        else:
            found[row.key] = State.WAITING
    return found


def open_studies(session: Session) -> Sequence[Study]:
    """Those that have not ended."""
    return session.scalars(select(Study).where(Study.finished_at.is_(None))).all()


def movable(study: Study) -> bool:
    """Whether `advance` would change anything."""
    states = standings(study)
    return bool(_ready(study, states)) or _over(states)


def advance(session: Session, study_id: str, max_attempts: int) -> None:
    """Ask for every job whose tickets are there, and mark the study's end. Any number may do this at once.

    A job that is identical to a finished one is that one, so what follows from it may be asked for in the same breath.
    """
    # The row is locked: two that advance one study do it one after the other.
    study = session.scalar(select(Study).where(Study.id == study_id).with_for_update())
    if study is None or study.finished_at is not None:
        return
    while ready := _ready(study, standings(study)):
        for row in ready:
            _ask(session, study, row, max_attempts)
    _end(session, study)


def cancel(session: Session, study: Study) -> None:
    """Ask for nothing more, and cancel what was asked for and has not ended."""
    for row in study.jobs:
        if row.job is not None:
            jobs.cancel(session, row.job.id)
        elif row.error is None:
            row.error = {"reason": "cancelled", "message": "the study was cancelled"}
    session.flush()
    _end(session, study)


def _ready(study: Study, states: Mapping[str, str]) -> list[StudyJob]:
    return [
        row
        for row in study.jobs
        if states[row.key] == State.WAITING and all(states[key] == State.SUCCEEDED for key in node(row).needs)
    ]


def _over(states: Mapping[str, str]) -> bool:
    return all(state == BLOCKED or state in TERMINAL for state in states.values())


def _end(session: Session, study: Study) -> None:
    if study.finished_at is None and _over(standings(study)):
        study.finished_at = session.scalar(select(now()))


def _ask(session: Session, study: Study, row: StudyJob, max_attempts: int) -> None:
    by_key = {other.key: other for other in study.jobs}

    def produced(key: str) -> list[tuple[str, int]]:
        job = by_key[key].job
        assert job is not None, "only what has succeeded is asked"
        return made(session, job)

    try:
        spec = spec_of(row.kind, resolved(row.body, produced, lambda key: by_key[key].job_id or ""))
    except (ValidationError, ValueError, IndexError) as error:
        row.error = {"reason": "unsuitable", "message": str(error)}
        return
    digest = reuse.digest(session, spec)
    done = reuse.finished(session, digest) if digest is not None else None
    row.job = done or jobs.create(session, spec, max_attempts, digest=digest)
    # What needs this very job, not only its tickets, is asked for in the same breath where it is done already.
    row.job_id = row.job.id


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
    progress = row.job.progress
    return min(1.0, progress["done"] / progress["total"]) if progress and progress["total"] else 0.0


def why(row: StudyJob) -> str | None:
    """Why a job of a study did not succeed."""
    error = row.error or (row.job.error if row.job else None)
    return None if error is None else str(error["message"])


def expansion(study: Study) -> Expansion:
    """What a stored study expands to: its cells name the keys of its jobs."""
    return Expansion(StudySpec.model_validate(study.spec))
