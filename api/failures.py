"""Every exception that leaves a route is answered with a problem."""

from __future__ import annotations

import errno
import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.flaws import flaws
from api.methods import told_methods
from api.problems import (
    FILE_DAMAGED,
    FILE_MISSING,
    INVALID_REQUEST,
    INVALID_TICKET,
    KEY_REUSED,
    NO_ROOM,
    NOT_JSON,
    NOT_READY,
    REFUSED,
    TOO_LARGE,
    UNREADABLE,
    Flaw,
    ProblemResponse,
    Rejected,
    database_away,
    plain_problem,
    refused,
    too_large,
)
from core.catalog.artifacts import ArtifactDamaged, ArtifactMissing, StoreAway
from core.catalog.database import UNREACHABLE
from core.catalog.idempotency import KeyReused
from core.elastic.refusal import Refused
from core.interchange.failure import Unreadable
from core.tickets import InvalidTicket

log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Answer every exception that leaves a route with a problem."""
    for kind, answer in _ANSWERS.items():
        app.add_exception_handler(kind, answer)


def _rejected(_: Request, error: Rejected) -> Response:
    return refused(error)


def _invalid(_: Request, error: RequestValidationError) -> Response:
    # What is not declared as JSON is left as it came.
    if isinstance(error.body, bytes):
        flaw = Flaw(location="header", where="Content-Type", what="not JSON", accepted="application/json")
        return ProblemResponse(NOT_JSON.document(NOT_JSON.example, [flaw]))
    found = flaws(error.errors())
    detail = "; ".join(f"{flaw.where or flaw.location}: {flaw.what}" for flaw in found)
    return ProblemResponse(INVALID_REQUEST.document(detail, found))


def _file_missing(_: Request, error: ArtifactMissing) -> Response:
    log.error("store: %s", error)
    damaged = isinstance(error, ArtifactDamaged)
    kind, what = (FILE_DAMAGED, "damaged") if damaged else (FILE_MISSING, "missing")
    flaw = Flaw(location="service", where="artifacts", what=f"the file is {what}")
    detail = kind.example.replace("9f2c…", f"{error.digest[:12]}…")
    return ProblemResponse(kind.document(detail, [flaw], artifact=error.digest))


def _invalid_ticket(_: Request, error: InvalidTicket) -> Response:
    flaw = Flaw(location="file", where=error.where, what=error.failure, accepted=error.accepted)
    members = {"failure": error.failure, "where": error.where, "accepted": error.accepted}
    return ProblemResponse(INVALID_TICKET.document(str(error), [flaw], **members))


def _unreadable_file(_: Request, error: Unreadable) -> Response:
    flaw = Flaw(location="file", where=error.where, what=error.reason, accepted=error.accepted)
    members = {"reason": error.reason, "where": error.where, "accepted": error.accepted}
    return ProblemResponse(UNREADABLE.document(str(error), [flaw], **members))


def _refused(_: Request, error: Refused) -> Response:
    members = {"reason": error.reason, "stage": error.stage, "unit": error.unit}
    flaw = Flaw(location="body", where="", what=error.detail)
    return ProblemResponse(REFUSED.document(str(error), [flaw], **members))


def _key_reused(_: Request, error: KeyReused) -> Response:
    flaw = Flaw(location="header", where="Idempotency-Key", what=str(error), accepted="a new key")
    return ProblemResponse(KEY_REUSED.document(str(error), [flaw]))


def _http(request: Request, error: HTTPException) -> Response:
    if error.status_code < 400:
        return Response(status_code=error.status_code, headers=error.headers)
    if error.status_code == TOO_LARGE.status:
        return ProblemResponse(too_large(request.scope[MAX_BODY_SIZE_SCOPE_KEY]))
    if isinstance(error.__cause__, Rejected):  # while FastAPI read the body
        return ProblemResponse(error.__cause__.document, error.__cause__.headers)
    if error.status_code == 400 and error.__cause__ is not None:
        return ProblemResponse(_unreadable(error.__cause__))
    detail = None if error.detail == HTTPStatus(error.status_code).phrase else error.detail
    return ProblemResponse(plain_problem(error.status_code, detail), told_methods(request, error))


def _database(_: Request, error: Exception) -> Response:
    told = str(getattr(error, "orig", error))
    log.error("database: %s", told)
    if "disk is full" in told:  # SQLite's words
        return ProblemResponse(NO_ROOM.document(NO_ROOM.example))
    return database_away()


def _store(_: Request, error: StoreAway) -> Response:
    log.error("%s", error)
    flaw = Flaw(location="service", where="artifacts", what="does not answer as it should")
    document = NOT_READY.document("The artifact store cannot be used at the moment.", [flaw])
    return ProblemResponse(document, {"Retry-After": "1"})


def _disk(_: Request, error: OSError) -> Response:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        raise error
    log.error("disk: %s", error.strerror)
    return ProblemResponse(NO_ROOM.document(NO_ROOM.example))


def _gone(_: Request, __: ClientDisconnect) -> Response:
    return ProblemResponse(plain_problem(400, "The request ended too early."))


def _unexpected(_: Request, __: Exception) -> Response:
    return ProblemResponse(plain_problem(500, "The service failed; its log says more."))


def _unreadable(cause: BaseException | None) -> dict[str, Any]:
    """The problem document of a body that the JSON parser gave up on."""
    match cause:
        case RecursionError():
            what = "it is nested too deeply"
        case UnicodeDecodeError():
            what = f"byte {cause.start} is not UTF-8"
        case ValueError():
            what = "a number in it has too many digits"
        case _:
            return plain_problem(400, "The request ended too early.")
    flaw = Flaw(location="body", where="", what=what, accepted="JSON (RFC 8259)")
    return INVALID_REQUEST.document(f"The body cannot be read: {what}.", [flaw])


_ANSWERS: dict[type[Exception], Any] = {
    Rejected: _rejected,
    RequestValidationError: _invalid,
    ArtifactMissing: _file_missing,
    InvalidTicket: _invalid_ticket,
    Unreadable: _unreadable_file,
    Refused: _refused,
    KeyReused: _key_reused,
    HTTPException: _http,
    **dict.fromkeys(UNREACHABLE, _database),
    StoreAway: _store,
    OSError: _disk,
    ClientDisconnect: _gone,
    Exception: _unexpected,
}
