"""Every error is a problem document (RFC 9457): what is wrong, where, and what would be accepted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class Flaw(BaseModel):
    """One thing that is wrong."""

    location: str = Field(serialization_alias="in", description="body, query, path, header, file or service")
    where: str = Field(description="a JSON pointer into the body, or the parameter's name")
    what: str
    accepted: str | None = Field(default=None, description="what would be accepted there")


class Problem(BaseModel):
    """An error, as RFC 9457 has it; a kind of problem may add members of its own."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="names the kind of problem; about:blank where the status says it all")
    title: str
    status: int
    detail: str
    errors: list[Flaw] = []


@dataclass(frozen=True)
class ProblemKind:
    """One kind of problem. `members` are an example of what it adds to a problem document."""

    slug: str
    status: int
    title: str
    example: str
    members: Mapping[str, Any] | None = None

    @property
    def type(self) -> str:
        """The problem's `type`."""
        return f"urn:elasticket:problem:{self.slug}"

    def document(self, detail: str, errors: Sequence[Flaw] = (), **members: Any) -> dict[str, Any]:
        """The problem document."""
        return {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": detail,
            "errors": [error.model_dump(by_alias=True, exclude_none=True) for error in errors],
            **members,
        }


NOT_FOUND = ProblemKind("not-found", 404, "There is no such thing here", "There is no such job.")
FILE_MISSING = ProblemKind(
    "file-missing",
    404,
    "The file is not in the artifact store",
    "The catalog knows it, but the artifact store has no file 9f2c…: upload the ticket again, or restore the store"
    " from a backup.",
    {"artifact": "9f2c" * 16},
)
FILE_DAMAGED = ProblemKind(
    "file-damaged",
    404,
    "The file in the artifact store is damaged",
    "The artifact store's file 9f2c… no longer has the content it is named by: upload the ticket again, or restore"
    " the store from a backup; elasticket doctor --verify tells what else is damaged.",
    {"artifact": "9f2c" * 16},
)
INVALID_REQUEST = ProblemKind(
    "invalid-request", 422, "The request is not valid", "recipe.lr must be greater than 0."
)
INVALID_TICKET = ProblemKind(
    "invalid-ticket",
    422,
    "The file is not a ticket",
    "mask survivors at fc.weight.kept; accepted: 107 values, one for each set bit",
    {"failure": "mask-survivors", "where": "fc.weight.kept", "accepted": "107 values, one for each set bit"},
)
UNREADABLE = ProblemKind(
    "unreadable-file",
    422,
    "The file cannot be read as a ticket of any format",
    "pickles code at data.pkl; accepted: a state dict of tensors",
    {"reason": "pickles-code", "where": "data.pkl", "accepted": "a state dict of tensors"},
)
EXPORT_FAILED = ProblemKind(
    "export-failed",
    422,
    "The ticket cannot be written in this format",
    "onnx needs the network, and that of the posted architecture vit_tiny is not known here",
    {
        "job": "4b1d" * 8,
        "error": {"reason": "unavailable", "message": "the network is not known", "details": {}},
    },
)
REFUSED = ProblemKind(
    "refused-transformation",
    422,
    "The ticket cannot be transformed so",
    "stage hidden, unit 2: no source unit is mapped to it",
    {"reason": "unmapped_target", "stage": "hidden", "unit": 2},
)
UNSUITABLE = ProblemKind(
    "unsuitable-job", 422, "The job cannot be done with what it names", "There is no such ticket: 9f2c…"
)
KEY_REUSED = ProblemKind(
    "idempotency-key-reused",
    422,
    "The Idempotency-Key belongs to another request",
    "The Idempotency-Key 'a1' was used before for a different POST /find.",
)
WRONG_STATE = ProblemKind(
    "wrong-state",
    409,
    "The job's state does not allow this",
    "The job has ended: succeeded.",
    {"state": "succeeded"},
)
NOTHING_TO_RESUME = ProblemKind(
    "nothing-to-resume",
    409,
    "There is nothing to resume",
    "Nothing of the study failed or was cancelled: all of it succeeded.",
)
TOO_LARGE = ProblemKind("too-large", 413, "The request is too large", "At most 1048576 bytes are accepted.")
NOT_JSON = ProblemKind(
    "unsupported-media-type",
    415,
    "The request is of another media type",
    "The body is not declared as JSON: send Content-Type: application/json.",
)
BAD_RANGE = ProblemKind(
    "range-not-satisfiable",
    416,
    "The range is not in the file",
    "No such bytes; accepted: bytes=FIRST-LAST within 0 to 47395, bytes=FIRST- and bytes=-LENGTH.",
)
NO_ROOM = ProblemKind("no-room", 507, "There is no room for it", "The disk of the service is full.")
NOT_READY = ProblemKind("not-ready", 503, "The service is not ready", "The database cannot be reached.")


class Rejected(Exception):
    """A request that is answered with a problem."""

    def __init__(
        self,
        kind: ProblemKind,
        detail: str,
        *errors: Flaw,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.headers = headers
        self.document = kind.document(detail, errors, **members)


def not_found(what: str, name: str) -> Rejected:
    """A 404 for one named thing."""
    return Rejected(NOT_FOUND, f"There is no {what} {name if len(name) <= 64 else name[:64] + '…'}.")


class ProblemResponse(Response):
    """A problem document on its way out."""

    media_type = MEDIA_TYPE

    def __init__(self, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        # A request may have smuggled in a lone surrogate: UTF-8 cannot carry it, an escape can.
        content = json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
        super().__init__(content, document["status"], headers)


def refused(error: Rejected) -> ProblemResponse:
    """The answer to a request that was rejected."""
    return ProblemResponse(error.document, error.headers)


def database_away() -> ProblemResponse:
    """The answer while the database cannot be used."""
    flaw = Flaw(location="service", where="database", what="does not answer as it should")
    document = NOT_READY.document("The database cannot be used at the moment.", [flaw])
    return ProblemResponse(document, {"Retry-After": "1"})


def too_large(most: int) -> dict[str, Any]:
    """The problem document of a body of more than `most` bytes."""
    flaw = Flaw(location="body", where="", what="too large", accepted=f"at most {most} bytes")
    return TOO_LARGE.document(f"The request's body is too large: at most {most} bytes are accepted.", [flaw])


def bad_range(size: int) -> dict[str, Any]:
    """The problem document of a range that a file of `size` bytes does not have."""
    accepted = f"bytes=FIRST-LAST within 0 to {size - 1}, bytes=FIRST- and bytes=-LENGTH"
    flaw = Flaw(location="header", where="Range", what="not within the file", accepted=accepted)
    return BAD_RANGE.document(f"The file has {size} bytes, none of them in this range.", [flaw])


def plain_problem(status: int, detail: str | None = None) -> dict[str, Any]:
    """The problem document of an error that the framework itself found."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail or title, "errors": []}


def documented(*kinds: ProblemKind) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these kinds of problem, each with an example."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        response = by_status.setdefault(
            kind.status,
            {
                "description": HTTPStatus(kind.status).phrase,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        example = {"summary": kind.title, "value": kind.document(kind.example, **(kind.members or {}))}
        response["content"][MEDIA_TYPE]["examples"][kind.slug] = example
    return by_status
