"""The pages of studies: the list, and of each its table as it fills and its jobs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.dependencies import DatabaseDep, StudyPath
from api.pages.paging import cursor, link
from api.pages.rendering import render
from api.studies import service
from core.catalog import archives, jobs, studies
from core.catalog.tables import Study
from core.studies.report import COLUMNS, filled, table
from core.studies.reproduction import in_words

router = APIRouter(include_in_schema=False)

PAGE = 25


@router.get("/ui/studies")
def studies_page(request: Request, database: DatabaseDep, after: str | None = None) -> HTMLResponse:
    """Studies, newest first."""
    start = cursor(after)
    with database.read() as session:
        found = studies.page(session, PAGE, start)
        query = request.query_params
        return render(
            "studies.html",
            studies=[(study, _summary(study), _done(study)) for study in found.rows],
            at=jobs.clock(session),
            first=link(query, "/ui/studies") if start else None,
            next=link(query, "/ui/studies", after=found.next.encode()) if found.next else None,
        )


@router.get("/ui/studies/{study}")
def study_page(study: StudyPath, database: DatabaseDep) -> HTMLResponse:
    """One study: its table as far as it is filled, and how far each of its jobs is."""
    with database.read() as session:
        row = service.existing(session, study)
        expansion = studies.expansion(row)
        shown = table(filled(expansion.cells, studies.done(row), len(expansion.spec.seeds)))
        states = studies.standings(row)
        compared = archives.reproduction(session, row)
        return render(
            "study.html",
            study=row,
            reproduction=compared and in_words(compared),
            summary=_summary(row),
            at=jobs.clock(session),
            share=_done(row),
            columns=COLUMNS,
            rows=shown.rows,
            words=shown.words,
            jobs=[(job, states[job.key], studies.fraction(job), studies.why(job)) for job in row.jobs],
        )


def _summary(study: Study) -> str:
    spec: dict[str, Any] = study.spec
    return f"{', '.join(spec['sources'])} → {', '.join(spec['targets'])} on {', '.join(spec['datasets'])}"


def _done(study: Study) -> float:
    return sum(studies.fraction(job) for job in study.jobs) / len(study.jobs)
