"""One address for programs and people: a browser's GET of a job, a ticket or a study is answered with its page."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.pages.rendering import render

_KEPT = ("Allow", "Retry-After", "Vary")
# The lists themselves and one item each; what lies below an item (events, file, log …) is never a page.
_BOTH = re.compile(r"/(?:(jobs|tickets|studies)(/[^/]+)?|fleet)")


def prefers_html(accept: str) -> bool:
    """Whether an Accept header ranks text/html above application/json (RFC 9110, section 12.5.1)."""
    return _quality(accept, "text/html") > _quality(accept, "application/json")


def _quality(accept: str, media: str) -> float:
    """The weight of the most specific range that matches `media`; 0 where none does."""
    ranges = {"*/*": 0, f"{media.split('/')[0]}/*": 1, media: 2}
    best = (-1, 0.0)
    for part in accept.split(","):
        name, *parameters = (field.strip().lower() for field in part.split(";"))
        if name in ranges:
            best = max(best, (ranges[name], _weight(parameters)))
    return best[1]


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


class PagesForBrowsers:
    """ASGI middleware: rewrites a browser's path to the page below /ui, and shows refusals as a page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        get = scope.get("method") == "GET"
        # A page's form is answered with a page too.
        if scope["type"] != "http" or not (get or path.startswith("/ui/")):
            await self.app(scope, receive, send)
            return
        html = prefers_html(Headers(scope=scope).get("accept", "*/*"))
        negotiated = get and _BOTH.fullmatch(path) is not None
        if negotiated and html:
            inner = "/ui" + path
            scope = {**scope, "path": inner, "raw_path": inner.encode()}
        answer = _Answer(
            send, vary=negotiated, page=html or (get and (path == "/" or path.startswith("/ui/")))
        )
        await self.app(scope, receive, answer)


class _Answer:
    """`send`, with `Vary: Accept` added, and a JSON error turned into a page where a page was wanted."""

    def __init__(self, send: Send, *, vary: bool, page: bool) -> None:
        self._send = send
        self._vary = vary
        self._page = page
        self._error: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if self._vary:
                headers.add_vary_header("Accept")
            if self._page and message["status"] >= 400 and _is_json(headers.get("content-type", "")):
                self._error = message
                return
        if self._error is None:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_page(self._error)

    async def _send_page(self, error: Message) -> None:
        status = HTTPStatus(error["status"])
        response = render("error.html", status=status, detail=_detail(self._body))
        response.status_code = status
        told = MutableHeaders(scope=error)
        response.headers.update({name: told[name] for name in _KEPT if name in told})
        await self._send({"type": "http.response.start", "status": status, "headers": response.raw_headers})
        await self._send({"type": "http.response.body", "body": response.body})


def _is_json(content_type: str) -> bool:
    return content_type.split(";")[0].strip() in ("application/json", "application/problem+json")


def _detail(body: bytes) -> str:
    """What a problem document says happened; nothing where it does not say so in words."""
    try:
        problem: Any = json.loads(body)
    except ValueError:
        return ""
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return detail if isinstance(detail, str) else ""
