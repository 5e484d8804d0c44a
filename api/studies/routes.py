"""The routes of studies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Query, Request, Response

from api.access.policies import reads, writes
from api.deletion import NOT_OVER, DeletedBody, delete
from api.dependencies import DatabaseDep, SettingsDep, StoreDep, StudyPath
from api.gate.headers import INERT
from api.idempotency import REPLAYED, OnceDep
from api.paging import Listing, Paging, listing
from api.problems import (
    INVALID_REQUEST,
    KEY_REUSED,
    NOT_FOUND,
    NOT_JSON,
    NOTHING_TO_RESUME,
    REFUSED,
    TOO_LARGE,
    UNSUITABLE,
    documented,
)
from api.queries import OnlyDocumented
from api.studies import examples, service
from api.studies.ledger import StudyLedger
from api.studies.schemas import (
    ExtensionRequest,
    FiguresBody,
    PlannedExtension,
    PlannedStudy,
    StudyBody,
    StudyRequest,
    StudySummary,
    TableBody,
)
from api.yaml import MEDIA_TYPE as YAML
from api.yaml import JsonOrYaml
from core.catalog.database import Database
from core.catalog.idempotency import Made
from core.catalog.queue import HIGHEST, LOWEST
from core.catalog.tables import Study
from core.studies.answer import table
from core.studies.drawing import draw
from core.studies.figures import Chart, Figure, HeatMap, figures
from core.studies.table import Table

router = APIRouter(tags=["studies"], dependencies=[reads, OnlyDocumented], route_class=JsonOrYaml)

_REQUESTS = {"rivals": {"summary": "Every method on digits", "value": examples.RIVALS}}
_IN_YAML = {
    "schema": {"$ref": "#/components/schemas/StudyRequest"},
    "examples": {"rivals": {"summary": "The same in YAML", "value": examples.RIVALS}},
}
_PLANNED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": PlannedStudy,
        "description": "The plan, where `dry_run` asked for that",
    }
}


Priority = Annotated[
    int | None,
    Query(
        ge=LOWEST, le=HIGHEST, description="of every job that it asks for, as POST /find has it; default: 0"
    ),
]


@router.post(
    "/studies",
    dependencies=[writes],
    status_code=202,
    response_model=StudyBody,
    openapi_extra={"requestBody": {"content": {YAML: _IN_YAML}}},
    responses=_PLANNED | documented(INVALID_REQUEST, UNSUITABLE, REFUSED, KEY_REUSED, NOT_JSON, TOO_LARGE),
)
def create_study(
    spec: Annotated[StudyRequest, Body(openapi_examples=_REQUESTS)],
    database: DatabaseDep,
    settings: SettingsDep,
    once: OnceDep,
    response: Response,
    priority: Priority = None,
    dry_run: Annotated[
        bool, Query(description="tell what it would ask for and take, and do nothing")
    ] = False,
) -> StudyBody | Response:
    """Compare stretched tickets with IMP's own, rival methods and dense networks: jobs in order, shared work once."""
    if dry_run:
        plan = service.preview(database, settings, spec)
        return Response(plan.model_dump_json(), media_type="application/json")
    made = service.submit(database, settings, once, spec, priority)
    response.headers["Location"] = f"/studies/{made[0].resource}"
    return _steered(database, response, made)


@router.get("/studies", response_model=Listing[StudySummary], responses=documented(INVALID_REQUEST))
async def list_studies(
    request: Request, database: DatabaseDep, query: Annotated[Paging, Query()]
) -> Response:
    """List studies, newest first."""
    return await listing(request, lambda: service.page(database, query.limit, query.after))


@router.get("/studies/{study}", responses=documented(NOT_FOUND))
def show_study(study: StudyPath, database: DatabaseDep) -> StudyBody:
    """Show a study: what it asks, and how far each of its jobs is."""
    return service.show(database, study)


@router.delete("/studies/{study}", dependencies=[writes], responses=documented(NOT_FOUND, NOT_OVER))
def delete_study(study: StudyPath, database: DatabaseDep) -> DeletedBody:
    """Delete a study that is over; its jobs and tickets stay, and can be deleted then. Again, it changes nothing."""
    return delete(database, Study, study)


_EXAMPLE = Table(
    tuple(examples.TABLE["columns"]),
    tuple(map(tuple, examples.TABLE["rows"])),
    words=3,
    notes=tuple(examples.TABLE["notes"]),
)
_MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "markdown": "text/markdown; charset=utf-8",
    "latex": "application/x-latex; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "text": "text/plain; charset=utf-8",
}
_TEXTS: dict[str, Any] = {
    media.partition(";")[0]: {"schema": {"type": "string"}, "example": getattr(_EXAMPLE, name)()}
    for name, media in _MEDIA.items()
}
_TABLE: dict[int | str, dict[str, Any]] = {200: {"content": _TEXTS}}


@router.get(
    "/studies/{study}/table",
    response_model=TableBody,
    responses=_TABLE | documented(NOT_FOUND, INVALID_REQUEST),
)
def study_table(
    study: StudyPath,
    database: DatabaseDep,
    store: StoreDep,
    format: Annotated[  # noqa: A002
        Literal["json", "csv", "markdown", "latex", "html", "text"], Query(description="latex needs booktabs")
    ] = "json",
) -> TableBody | Response:
    """Show a study's table, as far as it is filled: mean ± standard deviation over seeds, and what differs."""
    spec, rows = service.rows(database, store, study)
    if format == "json":
        return TableBody.of(spec, rows)
    return Response(getattr(table(spec, rows), format)(), media_type=_MEDIA[format], headers=INERT)


@router.get("/studies/{study}/figures", responses=documented(NOT_FOUND))
def study_figures(study: StudyPath, database: DatabaseDep, store: StoreDep) -> FiguresBody:
    """Show a study's figures as data, as far as there is something to draw.

    Accuracy against sparsity and against cost for each network, source × target for each dataset and level, and the
    lines between trainings where they were asked for.
    """
    return FiguresBody(figures=figures(*service.rows(database, store, study)))


_FIGURE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {"example": examples.FIGURE},
            "image/svg+xml": {"schema": {"type": "string"}, "example": "<svg>…</svg>"},
            "image/png": {"schema": {"type": "string", "format": "binary"}, "example": "PNG"},
        }
    }
}


@router.get(
    "/studies/{study}/figures/{name}",
    response_model=Chart | HeatMap,
    responses=_FIGURE | documented(NOT_FOUND, INVALID_REQUEST),
)
def study_figure(
    study: StudyPath,
    name: Annotated[str, Path(description="as the list names it", examples=["cost-digits-mlp_3"])],
    database: DatabaseDep,
    store: StoreDep,
    format: Annotated[  # noqa: A002
        Literal["svg", "png", "json"], Query(description="the same results give the same bytes")
    ] = "svg",
) -> Figure | Response:
    """Show a figure of a study, drawn or as data."""
    figure = service.figure(database, store, study, name)
    if format == "json":
        return figure
    media = {"svg": "image/svg+xml", "png": "image/png"}[format]
    return Response(draw(figure, format), media_type=media)


@router.get("/studies/{study}/ledger", responses=documented(NOT_FOUND))
def study_ledger(study: StudyPath, database: DatabaseDep) -> StudyLedger:
    """Show what a study took of the devices, by arm, by kind and by job, and what it was spared."""
    return StudyLedger.of(service.accounts(database, study))


_MORE_IN_YAML = {
    "schema": {"$ref": "#/components/schemas/ExtensionRequest"},
    "examples": {"seeds": {"summary": "The same in YAML", "value": {"seeds": [3, 4]}}},
}
_EXTENDED: dict[int | str, dict[str, Any]] = {
    200: {"model": PlannedExtension, "description": "The plan, where `dry_run` asked for that"}
}


@router.post(
    "/studies/{study}/extend",
    dependencies=[writes],
    status_code=202,
    response_model=StudyBody,
    openapi_extra={"requestBody": {"content": {YAML: _MORE_IN_YAML}}},
    responses=_EXTENDED
    | documented(NOT_FOUND, INVALID_REQUEST, UNSUITABLE, REFUSED, KEY_REUSED, NOT_JSON, TOO_LARGE),
)
def extend_study(
    study: StudyPath,
    more: ExtensionRequest,
    database: DatabaseDep,
    settings: SettingsDep,
    once: OnceDep,
    response: Response,
    dry_run: Annotated[bool, Query(description="tell which jobs would be added, and do nothing")] = False,
) -> StudyBody | Response:
    """Add cells or replicates to a study, finished or not: what it has done stays, and what is new is asked for."""
    if dry_run:
        plan = service.preview_extension(database, study, more)
        return Response(plan.model_dump_json(), media_type="application/json")
    return _steered(database, response, service.extend(database, settings, once, study, more))


@router.post(
    "/studies/{study}/cancel",
    dependencies=[writes],
    status_code=202,
    responses=documented(NOT_FOUND, KEY_REUSED),
)
def cancel_study(study: StudyPath, database: DatabaseDep, once: OnceDep, response: Response) -> StudyBody:
    """Cancel a study: what is not asked for never is, what is under way is stopped; finished jobs stay.

    Jobs that other studies or plain requests asked for go on: a study only ever shares those that have finished.
    """
    return _steered(database, response, service.cancel(database, once, study))


@router.post(
    "/studies/{study}/resume",
    dependencies=[writes],
    status_code=202,
    responses=documented(NOT_FOUND, KEY_REUSED, NOTHING_TO_RESUME),
)
def resume_study(
    study: StudyPath, database: DatabaseDep, settings: SettingsDep, once: OnceDep, response: Response
) -> StudyBody:
    """Resume a study: what failed or was cancelled is asked for again, with what waited for it; the rest stays."""
    return _steered(database, response, service.resume(database, settings, once, study))


def _steered(database: Database, response: Response, made: tuple[Made, bool]) -> StudyBody:
    result, replayed = made
    if replayed:
        response.headers.update(REPLAYED)
    return service.show(database, result.resource)
