"""What a query may say: the parameters that the route's documentation lists, and no others."""

from __future__ import annotations

from fastapi import Depends, Request

from api.problems import INVALID_REQUEST, Flaw, Rejected


async def _only_documented(request: Request) -> None:
    if not request.query_params:
        return
    document = request.app.openapi()["paths"].get(request.scope["route"].path_format, {})
    operation = document.get(request.method.lower(), {})
    names = [given["name"] for given in operation.get("parameters", ()) if given["in"] == "query"]
    unknown = sorted(set(request.query_params) - set(names))
    if unknown:
        accepted = ", ".join(names) or "no parameters"
        flaws = [
            Flaw(location="query", where=n, what="unknown parameter", accepted=accepted) for n in unknown
        ]
        detail = f"unknown parameters: {', '.join(unknown)}; accepted: {accepted}"
        raise Rejected(INVALID_REQUEST, detail, *flaws)


OnlyDocumented = Depends(_only_documented)
"""A dependency of every router whose answers are JSON."""
