"""Bodies in YAML (RFC 9512): read as the JSON that they stand for, so that one path checks both."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from api.problems import INVALID_REQUEST, NOT_JSON, Flaw, Rejected
from core.studies import yaml
from core.studies.yaml import BadYaml

MEDIA_TYPE = "application/yaml"
_NAMES = (MEDIA_TYPE, "application/x-yaml", "text/yaml")


class JsonOrYaml(APIRoute):
    """A route whose body may be either."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that FastAPI would make, behind a reader of YAML."""
        handle = super().get_route_handler()

        async def read(request: Request) -> Response:
            if _media_type(request) in _NAMES:
                return await handle(await _as_json(request))
            try:
                return await handle(request)
            except RequestValidationError as error:
                if isinstance(error.body, bytes):
                    raise _other_media_type() from None
                raise

        return read


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _as_json(request: Request) -> Request:
    content = await request.body()
    try:
        # Text of the largest size that is accepted takes a second.
        given = await run_in_threadpool(yaml.loads, content)
    except BadYaml as error:
        where = f"line {error.line}, column {error.column}"
        flaw = Flaw(location="body", where=where, what=error.what, accepted=error.accepted)
        raise Rejected(
            INVALID_REQUEST,
            f"The body cannot be read as YAML: {where}: {error.what}.",
            flaw,
            line=error.line,
            column=error.column,
        ) from None
    others = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
    scope = {**request.scope, "headers": [*others, (b"content-type", b"application/json")]}
    body = json.dumps(given).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(scope, receive)


def _other_media_type() -> Rejected:
    accepted = f"application/json or {MEDIA_TYPE}"
    flaw = Flaw(location="header", where="Content-Type", what="neither JSON nor YAML", accepted=accepted)
    return Rejected(NOT_JSON, f"The body is declared as neither JSON nor YAML: send {accepted}.", flaw)
