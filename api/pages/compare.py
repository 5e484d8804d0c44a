"""The page that lays trainings side by side: their curves, where they ended, and what they differ in."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from api.access.policies import reads
from api.dependencies import DatabaseDep
from api.pages.formats import percent, short
from api.pages.rendering import HEADERS, render
from api.pages.specs import Link
from api.problems import Rejected, not_found
from api.runs import service
from api.runs.comparison import GROUPS, Compared, Trained, compare, name
from api.runs.schemas import ComparedRun
from core.catalog import jobs
from core.catalog.tables import Run

router = APIRouter(include_in_schema=False, dependencies=[reads])

PAGE = "/ui/compare"


@dataclass(frozen=True)
class Choice:
    """The trainings of one job that may be added."""

    title: str
    trainings: Sequence[tuple[str, str]]


@router.get(PAGE, response_model=None)
def compare_page(
    database: DatabaseDep,
    run: Annotated[list[str], Query(default_factory=list)],
    job: Annotated[list[str], Query(default_factory=list)],
    hide: Annotated[list[str], Query(default_factory=list)],
) -> HTMLResponse | RedirectResponse:
    """Trainings side by side. A `job` stands for its trainings, and leads to the address that names them.

    `hide` is FIGURE:CURVE, which the script reads: here it only is kept.
    """
    references = list(dict.fromkeys(filter(None, map(str.strip, run))))
    asked = list(dict.fromkeys(filter(None, map(str.strip, job))))
    with database.read() as session:
        problems = [str(not_found("job", one)) for one in asked if not _is_job(session, one)]
        if asked and not problems:
            more = _of_jobs(session, asked, service.MOST - len(references))
            if more or references:
                return RedirectResponse(address([*references, *more], hide=hide), 303, HEADERS)
        found, missing = _found(session, references)
        return _page(session, compare(found), [*problems, *missing], asked, hide)


def _page(
    session: Session, compared: Compared, problems: list[str], asked: Sequence[str], hide: Sequence[str]
) -> HTMLResponse:
    here = [one.reference for _, one in compared.trainings]
    return render(
        "compare.html",
        rows=[
            (
                ComparedRun.named(text, one),
                address([other for other in here if other != one.reference], hide=hide),
            )
            for text, one in compared.trainings
        ],
        names=[text for text, _ in compared.trainings],
        differing=[
            (one.group, one.field.replace("_", " "), [_shown(one.field, value) for value in one.values])
            for one in compared.differing
        ],
        common=in_common(compared),
        figures=compared.figures,
        data=address(here, "/runs"),
        chosen=here,
        hide=hide,
        asked=asked,
        problems=problems,
        most=service.MOST,
        choices=_choices(session, [one for _, one in compared.trainings]),
    )


def address(references: Sequence[str], page: str = PAGE, hide: Sequence[str] = ()) -> str:
    """The address that compares these, with some curves hidden."""
    query = [("run", one) for one in references] + [("hide", one) for one in hide]
    return f"{page}?{urlencode(query)}" if references else page


def in_common(compared: Compared) -> str:
    """In one line, what is the same in all of several trainings; nothing where nothing is."""
    differing = {one.group for one in compared.differing}
    shared = {field: value for (group, field), value in compared.common.items() if group == "training"}
    said = [str(shared[field]) for field in ("architecture", "dataset") if field in shared]
    if "ticket" in shared:
        said.append(f"ticket {short(shared['ticket'])}")
    said += [f"{field} {shared[field]}" for field in ("seed", "level") if field in shared]
    if "sparsity" in shared:
        said.append(f"{percent(shared['sparsity'])} removed")
    whole = {
        "job": "everything else that was asked for",
        "recipe": "the whole recipe",
        "fingerprint": "the device, versions and threads",
    }
    groups = {group for group, _ in compared.common}
    said += [whole[group] for group in GROUPS if group in whole and group in groups - differing]
    return ", ".join(said)


def _of_jobs(session: Session, asked: Sequence[str], room: int) -> list[str]:
    """Some trainings of every job, as far as there is room."""
    each = max(1, room // len(asked))
    return [one for job in asked for one in service.of_job(session, job, each)][: max(0, room)]


def _found(session: Session, references: Sequence[str]) -> tuple[list[Trained], list[str]]:
    """The trainings that are there, and what is to be said of the others."""
    found, problems = [], []
    for reference in references[: service.MOST]:
        try:
            found.append(service.find(session, reference))
        except Rejected as error:
            problems.append(str(error))
    if len(references) > service.MOST:
        problems.append(f"Only the first {service.MOST} of {len(references)} trainings are shown.")
    return found, problems


def _choices(session: Session, shown: Sequence[Trained]) -> list[Choice]:
    """What can be added: the other trainings of the jobs that are shown, then those of the latest jobs."""
    here = {one.reference for one in shown}
    found = service.others(session, dict.fromkeys(one.job.id for one in shown))
    return [
        Choice(f"{job.kind} {short(job.id)}", [pair for run in runs if (pair := _pair(run))[0] not in here])
        for job, runs in found.items()
    ]


def _pair(run: Run) -> tuple[str, str]:
    return f"{run.job_id}:{run.ordinal}", f"{name(run)} on {run.dataset}"


def _shown(field: str, value: Any) -> str | Link:
    """A value of a field, to be read."""
    if value is None:
        return "–"
    if field == "ticket" or (field == "job" and isinstance(value, str)):
        return Link(short(value), f"/ui/{field}s/{value}")
    if field == "sparsity":
        return percent(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_job(session: Session, identity: str) -> bool:
    # PostgreSQL knows no NUL: only what can be an id is looked up.
    return re.fullmatch("[0-9a-f]{32}", identity) is not None and jobs.get(session, identity) is not None
