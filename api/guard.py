"""The outermost layer: a header on every response, and no error that is anything but a problem document."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import ProblemResponse, plain_problem


class Guard:
    """Adds `nosniff`, and replaces the plain-text errors that the framework itself sends (ranges, body limits)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        replaced = False

        async def guarded(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                if message["status"] >= 400 and headers.get("content-type", "").startswith("text/plain"):
                    replaced = True
                    kept = {"Content-Range": headers["content-range"]} if "content-range" in headers else None
                    await ProblemResponse(plain_problem(message["status"]), kept)(scope, receive, send)
            if not replaced:
                await send(message)

        await self.app(scope, receive, guarded)
