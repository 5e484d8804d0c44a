"""Every request has an id, is counted, is logged where lines are for machines, and begins or continues a trace."""

from __future__ import annotations

import logging
import re
import time
import uuid
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.observing.figures import Figures
from core import logs, tracing

log = logging.getLogger("api.access")

REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
"""What is taken over from a client: nothing that could end a line of a log, or make it long."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNTRACED = re.compile(r"/(?:static|docs)/.*|/healthz|/readyz|/metrics")
_KEY = "elasticket.request"


@dataclass
class _Request:
    """One request: shared by all copies of its scope. `inner`: the scope that the router fills in."""

    id: str
    inner: Scope
    status: int = 0
    location: str | None = None
    streams: bool = False

    @property
    def route(self) -> str:
        """The template of its route: the only part of a path that nobody makes up."""
        if (route := self.inner.get("route")) is not None:
            return str(route.path)
        if "app_root_path" in self.inner:  # a folder of files
            return str(self.inner["root_path"]).removeprefix(self.inner["app_root_path"])
        return "unmatched"


class Routed:
    """ASGI middleware, the innermost: notes the scope that the router is to fill in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _KEY in scope:
            scope[_KEY].inner = scope
        await self.app(scope, receive, send)


class Observed:
    """ASGI middleware, the outermost. `told`: whether each request is a line of the log."""

    def __init__(self, app: ASGIApp, figures: Figures, told: bool) -> None:
        self.app = app
        self._figures = figures
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request = _Request(_identity(headers.get("x-request-id")), scope)
        # Not taken back at the end: what uvicorn logs of the request afterwards is about it too.
        logs.tell(request=request.id)
        begun = time.perf_counter()
        with self._figures.under_way.track_inprogress():
            try:
                await self._traced({**scope, _KEY: request}, request, headers, receive, send, begun)
            finally:
                if request.streams:
                    self._figures.streams.dec()
                if self._told:
                    self._tell(scope, request, time.perf_counter() - begun)

    async def _traced(
        self, scope: Scope, request: _Request, headers: Headers, receive: Receive, send: Send, begun: float
    ) -> None:
        if not tracing.sending() or _UNTRACED.fullmatch(scope["path"]):
            await self.app(scope, receive, self._noting(scope, request, send, begun))
            return
        method = _method(scope)
        told = {"http.request.method": method, "elasticket.request": request.id}
        with tracing.span(method, told, parent=headers.get("traceparent"), kind="server") as span:
            await self.app(scope, receive, self._noting(scope, request, send, begun))
            span.tell(
                {"http.route": request.route, "http.response.status_code": request.status},
                name=f"{method} {request.route}",
                failed=request.status >= 500,
            )

    def _noting(self, scope: Scope, request: _Request, send: Send, begun: float) -> Send:
        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request.id
                if request.status < 300:
                    request.location = headers.get("location")
                self._figures.seconds.labels(_method(scope), request.route, request.status).observe(
                    time.perf_counter() - begun
                )
                if headers.get("content-type", "").startswith("text/event-stream") and not request.streams:
                    request.streams = True
                    self._figures.streams.inc()
            await send(message)

        return noting

    def _tell(self, scope: Scope, request: _Request, seconds: float) -> None:
        """One line: the job that a request made is its location; never the query, which says what was searched for."""
        told = {
            "method": scope["method"],
            "path": scope["path"],
            "route": request.route,
            "status": request.status,
            "seconds": round(seconds, 6),
            **({"client": scope["client"][0]} if scope.get("client") else {}),
            **({"location": request.location} if request.location else {}),
        }
        log.info("%s %s %d", scope["method"], scope["path"], request.status, extra={"told": told})


def request_id(scope: Scope) -> str:
    """What a request is called: in its answer, in the log and in the audit log."""
    request: _Request = scope[_KEY]
    return request.id


def _identity(given: str | None) -> str:
    return given if given is not None and REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in _METHODS else "other"
