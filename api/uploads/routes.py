"""The routes of uploads that go straight to the object store."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool

from api.access.policies import writes
from api.dependencies import DatabaseDep, SettingsDep, StoreDep, UploadPath
from api.idempotency import REPLAYED, OnceDep
from api.jobs.schemas import JobBody
from api.jobs.submission import SubmissionDep
from api.problems import (
    INVALID_REQUEST,
    KEY_REUSED,
    NO_ROOM,
    NOT_FOUND,
    NOT_JSON,
    TOO_LARGE,
    documented,
)
from api.queries import OnlyDocumented
from api.tickets.imports import Said
from api.tickets.reception import ReceptionDep
from api.uploads import service
from api.uploads.problems import DIFFERS, NOT_OFFERED, NOTHING_SENT
from api.uploads.schemas import UploadBody, UploadRequest

router = APIRouter(tags=["tickets"], dependencies=[writes, OnlyDocumented])

_FINISHED: dict[int | str, dict[str, Any]] = {
    200: {"model": JobBody, "description": "The finished import, where `Prefer: wait` asked for it"}
}


@router.post(
    "/uploads",
    status_code=201,
    responses=documented(NOT_OFFERED, INVALID_REQUEST, KEY_REUSED, NOT_JSON, TOO_LARGE, NO_ROOM),
)
async def begin_upload(
    given: UploadRequest,
    response: Response,
    database: DatabaseDep,
    settings: SettingsDep,
    store: StoreDep,
    reception: ReceptionDep,
    once: OnceDep,
) -> UploadBody:
    """Ask for addresses to which a file can be sent without going through the API; then complete the upload.

    Only where artifacts lie in an object store. What is not completed within an hour is removed.
    """
    await reception.room_for(store, database, given.size)
    body, replayed = await run_in_threadpool(service.begin, database, settings, once, given)
    response.headers.update({"Location": body.links["complete"], "Cache-Control": "no-store"})
    if replayed:
        response.headers.update(REPLAYED)
    return body


@router.post(
    "/uploads/{upload}/complete",
    status_code=202,
    responses=_FINISHED
    | documented(NOT_OFFERED, NOTHING_SENT, DIFFERS, NOT_FOUND, INVALID_REQUEST, KEY_REUSED),
)
async def complete_upload(
    upload: UploadPath,
    database: DatabaseDep,
    settings: SettingsDep,
    once: OnceDep,
    submission: SubmissionDep,
    said: Annotated[Said, Query()],
) -> JobBody:
    """Say that a file was sent: a job verifies its SHA-256 and imports it, a ticket or a file in another format.

    What the file cannot say the query may, as with POST /tickets. A file that is refused is removed.
    """
    made = await run_in_threadpool(service.complete, database, settings, once, upload, said)
    return await submission.answer(made)
