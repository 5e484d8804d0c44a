"""Who sent a request: found out once, at the gate, and handed to whatever asks."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from fastapi.routing import iter_route_contexts
from starlette.requests import HTTPConnection
from starlette.routing import Match
from starlette.types import Scope

from api.observing.requests import request_id
from core.catalog.audit import Act, By
from core.catalog.keys import Scope as KeyScope
from core.catalog.scope import DEFAULT

_KEY = "elasticket.caller"


@dataclass(frozen=True)
class Caller:
    """A project, and what may be done in it, by the key of this id.

    `by_cookie`: a browser that is signed in with the key sent it, perhaps for another site.
    """

    project: str
    scope: KeyScope
    by_cookie: bool = False
    key: str | None = None

    @property
    def by(self) -> By:
        """What let it in."""
        return "cookie" if self.by_cookie else "anyone" if self.key is None else "key"


ANYONE = Caller(DEFAULT, "admin")
"""Everyone, where no keys are asked for."""

signed_in: ContextVar[bool] = ContextVar("signed_in", default=False)
"""Whether the page under way is one for a signed-in browser, which can sign out."""


def put(scope: Scope, caller: Caller) -> None:
    """Say who sent the request of an ASGI scope."""
    scope[_KEY] = caller


def caller_of(request: HTTPConnection) -> Caller | None:
    """Who sent a request; None for a stranger, before whom only what is open to all is reached."""
    found = request.scope.get(_KEY)
    return found if isinstance(found, Caller) else None


def act_of(request: HTTPConnection) -> Act:
    """What a request does, as the audit log has it."""
    caller = caller_of(request)
    return Act(
        by="stranger" if caller is None else caller.by,
        method=request.scope["method"],
        route=_route(request.scope),
        resource=next(iter(request.path_params.values()), None),
        key=caller.key if caller else None,
        request_id=request_id(request.scope),
        address=request.client.host if request.client else None,
    )


def _route(scope: Scope) -> str:
    """The template of a request's route, found or, where the request got no further than the gate, yet to be found."""
    found = scope.get("route")
    if found is None:
        routes = (context.original_route for context in iter_route_contexts(scope["app"].routes))
        found = next((route for route in routes if route.matches(scope)[0] is Match.FULL), None)
    return getattr(found, "path", "none")
