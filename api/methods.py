"""Which methods a resource has: several routes may share its path, and each knows its own."""

from __future__ import annotations

from fastapi import Request
from starlette.routing import Match

_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


def allowed(request: Request) -> str:
    """The `Allow` header (RFC 9110, section 10.2.1) of the resource that a request is for; HEAD goes with GET.

    A path that is written out is a resource of its own: `/studies/import` is not a study.
    """
    found = {method: unknown for method in _METHODS if (unknown := _parameters(request, method)) is not None}
    fewest = min(found.values(), default=0)
    names = [method for method, unknown in found.items() if unknown == fewest]
    return ", ".join(name for method in names for name in ([method, "HEAD"] if method == "GET" else [method]))


def _parameters(request: Request, method: str) -> int | None:
    """How many parts of the path are parameters to the route of this method; None where there is no route."""
    scope = {**request.scope, "method": method, "path_params": {}}
    matches = (route.matches(scope) for route in request.app.routes)
    return next((len(child["path_params"]) for match, child in matches if match is Match.FULL), None)
