"""Which methods a resource has: several routes may share its path, and each knows its own."""

from __future__ import annotations

from fastapi import Request
from starlette.routing import Match

_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


def allowed(request: Request) -> str:
    """The `Allow` header (RFC 9110, section 10.2.1) of the resource that a request is for; HEAD goes with GET."""
    found = [method for method in _METHODS if _is_met(request, method)]
    return ", ".join(name for method in found for name in ([method, "HEAD"] if method == "GET" else [method]))


def _is_met(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
