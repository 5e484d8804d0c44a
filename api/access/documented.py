"""The OpenAPI document says of every route what key it needs, and how those are answered who have none such."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from api.access.policies import policy_of, routes
from api.access.problems import FORBIDDEN, UNAUTHENTICATED
from api.problems import MEDIA_TYPE, documented

SCHEME = "api_key"
_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "elk_ID_SECRET_CHECKSUM",
    "description": (
        "An API key, of scope read, write or admin, each of which allows what those before it do. An installation on"
        " this machine alone asks for none, unless it is told to."
    ),
}


def with_keys(app: FastAPI, document: dict[str, Any]) -> dict[str, Any]:
    """The document with the security scheme, and on every route that needs a key its scope and its refusals."""
    document["components"]["securitySchemes"] = {SCHEME: _SCHEME}
    refusals = {str(status): response for status, response in documented(UNAUTHENTICATED, FORBIDDEN).items()}
    for route in routes(app):
        policy = policy_of(route)
        if not isinstance(route, APIRoute) or policy is None or policy.scope is None:
            continue
        for method in route.methods or ():
            operation = document["paths"].get(route.path_format, {}).get(method.lower())
            if operation is not None:
                operation["security"] = [{SCHEME: [policy.scope]}]
                for status, refusal in refusals.items():
                    known = operation["responses"].setdefault(status, refusal)
                    if known is not refusal:
                        known["content"][MEDIA_TYPE]["examples"] |= refusal["content"][MEDIA_TYPE]["examples"]
    return document
