"""Who sent a request: found out once, at the gate, and handed to whatever asks."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.types import Scope

from core.catalog.keys import Scope as KeyScope
from core.catalog.scope import DEFAULT

_KEY = "elasticket.caller"


@dataclass(frozen=True)
class Caller:
    """A project, and what may be done in it. `by_cookie`: a signed-in browser sent it, perhaps for another site."""

    project: str
    scope: KeyScope
    by_cookie: bool = False


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
