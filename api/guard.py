"""The outermost layer: HEAD wherever there is GET, browsers told to be careful, no error but problem documents."""

from __future__ import annotations

from typing import Any

from anyio import CancelScope
from starlette.datastructures import MutableHeaders
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.gate.headers import secure
from api.problems import BAD_RANGE, TOO_LARGE, ProblemResponse, bad_range, plain_problem, too_large
from core.crashpoints import crashpoint


class Guard:
    """Answers HEAD with the headers of a GET, adds the headers of every response, replaces plain-text errors."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["method"] == "HEAD":
            await self._head({**scope, "method": "GET"}, receive, send)
        else:
            await self._guarded(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        with CancelScope() as rest:

            async def headers_only(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await send(message)
                    await send({"type": "http.response.body", "body": b""})
                    rest.cancel()  # a file is not read, and a stream would not end

            await self._guarded(scope, receive, headers_only)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        replaced = False

        async def guarded(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                secure(headers)
                if headers.get("allow") == "GET":
                    headers["Allow"] = "GET, HEAD"
                if message["status"] >= 400 and headers.get("content-type", "").startswith("text/plain"):
                    replaced = True
                    kept = {"Content-Range": headers["content-range"]} if "content-range" in headers else {}
                    problem = _problem(scope, message["status"], kept)
                    response = ProblemResponse(problem, kept)
                    secure(response.headers)
                    await response(scope, receive, send)
            if not replaced:
                await _send_on(scope, message, send)

        await self.app(scope, receive, guarded)


async def _send_on(scope: Scope, message: Message, send: Send) -> None:
    posted = scope["method"] == "POST"
    if posted and message["type"] == "http.response.start":
        crashpoint("answer")
    await send(message)
    if posted and message["type"] == "http.response.body" and not message.get("more_body"):
        crashpoint("answered")


def _problem(scope: Scope, status: int, headers: dict[str, str]) -> dict[str, Any]:
    if status == TOO_LARGE.status:
        return too_large(scope[MAX_BODY_SIZE_SCOPE_KEY])
    if status == BAD_RANGE.status:
        return bad_range(int(headers["Content-Range"].removeprefix("bytes */")))
    return plain_problem(status)
