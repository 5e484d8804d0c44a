"""The routes of a study's archive: out of one installation, and into another that runs it again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from api.access.policies import reads, writes
from api.dependencies import DatabaseDep, SettingsDep, StoreDep, StudyPath
from api.health import VERSION
from api.idempotency import REPLAYED, OnceDep
from api.problems import (
    FILE_DAMAGED,
    FILE_MISSING,
    INVALID_REQUEST,
    KEY_REUSED,
    NO_ROOM,
    NOT_FOUND,
    REFUSED,
    TOO_LARGE,
    UNSUITABLE,
    documented,
)
from api.queries import OnlyDocumented
from api.studies import imports, service
from api.studies.imports import INVALID_ARCHIVE
from api.studies.schemas import StudyBody
from api.tickets.reception import BUSY, ReceptionDep
from api.tickets.upload import receive_raw
from core.catalog import archives, study_results, tickets
from core.catalog.artifacts import ArtifactStore
from core.catalog.database import Database
from core.studies.answer import table
from core.studies.archive import HISTORIES, README, STUDY, TABLE, readme, ticket_member
from core.studies.packing import Member, packed

router = APIRouter(tags=["studies"], dependencies=[reads, OnlyDocumented])
"""Its bodies may be as large as tickets' files."""

ZIP = "application/zip"
_FILE = {"schema": {"type": "string", "contentMediaType": ZIP}, "example": "(the bytes of a zip archive)"}
_SENT: dict[int | str, dict[str, Any]] = {200: {"content": {ZIP: _FILE}}}


@router.get(
    "/studies/{study}/archive",
    response_class=StreamingResponse,
    responses=_SENT | documented(NOT_FOUND, FILE_MISSING, FILE_DAMAGED),
)
def study_archive(study: StudyPath, database: DatabaseDep, store: StoreDep) -> StreamingResponse:
    """Download all that is needed to run a study again and to compare: a zip archive.

    `study.json`: what was asked, every job with its specification, results and digests, versions and fingerprints;
    its tickets, the metrics of every training, the table. Trained weights are not included. It may be unfinished.
    """
    headers = {"Content-Disposition": f'attachment; filename="study-{study[:8]}.zip"'}
    return StreamingResponse(packed(_members(database, store, study)), media_type=ZIP, headers=headers)


def _members(database: Database, store: ArtifactStore, study_id: str) -> Iterator[Member]:
    with database.read() as session:
        study = service.existing(session, study_id)
        archive = archives.archived(session, study, VERSION)
        files = {identity: tickets.file_digest(session, identity) for identity in archive.tickets}
        shown = table(*service.answer(study, study_results.done(session, study, store)))
        ran = {row.key: row.job_id for row in study.jobs if row.job_id is not None}
    members = [
        Member(README, [readme(archive).encode()]),
        Member(HISTORIES, archives.histories(database, ran)),
        Member(STUDY, [archive.model_dump_json(indent=1).encode()]),
        Member(TABLE, [shown.csv().encode()]),
        *(Member(ticket_member(identity), store.intact(digest)) for identity, digest in files.items()),
    ]
    return iter(members)


@router.post(
    "/studies/import",
    dependencies=[writes],
    status_code=202,
    response_model=StudyBody,
    openapi_extra={"requestBody": {"required": True, "content": {ZIP: _FILE}}},
    responses=documented(
        INVALID_ARCHIVE, INVALID_REQUEST, UNSUITABLE, REFUSED, KEY_REUSED, TOO_LARGE, BUSY, NO_ROOM
    ),
)
async def import_study(
    request: Request,
    response: Response,
    database: DatabaseDep,
    settings: SettingsDep,
    store: StoreDep,
    reception: ReceptionDep,
    once: OnceDep,
    exact: Annotated[
        bool, Query(description="run it in exact mode, even if it was not run so before")
    ] = False,
) -> StudyBody:
    """Run the study of an archive again, and compare what comes out, digest by digest (`reproduction`).

    Its tickets are registered where they are not here yet. It is run again from nothing but its specification: what
    the archive says answers no job. A file that is no sound archive is refused, and nothing of it is kept.
    """
    async with reception.upload(store, database) as upload:
        await receive_raw(request, upload)
        made, replayed = await run_in_threadpool(
            imports.enter, database, settings, store, once, upload, exact
        )
    response.headers["Location"] = f"/studies/{made.resource}"
    if replayed:
        response.headers.update(REPLAYED)
    return await run_in_threadpool(service.show, database, made.resource)
