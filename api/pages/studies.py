"""The pages of studies: the list, and of each its table as it fills and its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.access.policies import reads
from api.dependencies import DatabaseDep, StoreDep, StudyPath
from api.pages.paging import cursor, link
from api.pages.rendering import render
from api.studies import service
from core.catalog import archives, jobs, studies, study_changes, study_results
from core.catalog.tables import Study
from core.studies.answer import table
from core.studies.comparison import Row
from core.studies.figures import figures
from core.studies.reproduction import in_words

router = APIRouter(include_in_schema=False, dependencies=[reads])

PAGE = 25


@router.get("/ui/studies")
def studies_page(request: Request, database: DatabaseDep, after: str | None = None) -> HTMLResponse:
    """Studies, newest first."""
    start = cursor(after)
    with database.read() as session:
        found = studies.page(session, PAGE, start)
        extents = studies.extents(session, [study.id for study in found.rows])
        query = request.query_params
        return render(
            "studies.html",
            studies=[(study, _summary(study), extents[study.id]) for study in found.rows],
            at=jobs.clock(session),
            first=link(query, "/ui/studies") if start else None,
            next=link(query, "/ui/studies", after=found.next.encode()) if found.next else None,
        )


@router.get("/ui/studies/{study}")
def study_page(study: StudyPath, database: DatabaseDep, store: StoreDep) -> HTMLResponse:
    """One study: its table and figures as far as they are filled, and how far each of its jobs is."""
    with database.read() as session:
        row = service.existing(session, study)
        done = study_results.done(session, row, store)
        spec, rows = service.answer(row, done)
        states = studies.standings(row)
        compared = archives.reproduction(session, row)
        asked = {job.key: job.job_id for job in row.jobs if job.job_id}
        return render(
            "study.html",
            study=row,
            reproduction=compared and in_words(compared),
            summary=_summary(row),
            resumable=study_changes.resumable(row),
            at=jobs.clock(session),
            share=_done(row),
            spent=sum({asked[key]: one.seconds for key, one in done.items()}.values()),
            table=table(spec, rows),
            behind=[_behind(found, asked) for found in rows],
            trained=sum(len(found.found.trials) + len(found.found.lines) for found in rows),
            figures=figures(spec, rows),
            jobs=[(job, states[job.key], studies.fraction(job), studies.why(job)) for job in row.jobs],
        )


@dataclass(frozen=True)
class Behind:
    """What a row of the table was made from: jobs that trained, and the tickets that they trained, by seed."""

    jobs: list[str]
    tickets: dict[int, str]


def _behind(row: Row, asked: Mapping[str, str]) -> Behind:
    trained = row.found.cell.trained
    return Behind(
        [asked[key] for key in trained if key in asked],
        {trial.seed: trial.ticket for trial in row.found.trials if trial.ticket},
    )


def _summary(study: Study) -> str:
    spec: dict[str, Any] = study.spec
    return f"{', '.join(spec['sources'])} → {', '.join(spec['targets'])} on {', '.join(spec['datasets'])}"


def _done(study: Study) -> float:
    return sum(studies.fraction(job) for job in study.jobs) / len(study.jobs)
