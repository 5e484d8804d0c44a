"""Which methods a resource has: several routes may share its path, and each knows its own."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request
from starlette.exceptions import HTTPException


def told_methods(request: Request, error: HTTPException) -> Mapping[str, str] | None:
    """The headers of an error: of a 405, an `Allow` of every documented method (RFC 9110, section 10.2.1).

    HEAD goes with GET. A path that is written out is a resource of its own: `/studies/import` is not a study.
    """
    if error.status_code != 405:
        return error.headers
    paths = request.app.openapi()["paths"]
    route = request.scope.get("route")
    documented = paths.get(request.url.path) or paths.get(getattr(route, "path_format", None))
    if documented is None:
        return error.headers
    methods = {method.upper() for method in documented} | ({"HEAD"} if "get" in documented else set())
    return {"Allow": ", ".join(sorted(methods))}
