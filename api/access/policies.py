"""What a route asks of its caller is declared beside it; a route that declares nothing is nobody's.

`reads`, `writes` and `administers` are dependencies of routes or of routers; of several the strictest holds.
`operates` asks for an admin of the project `default`, who runs the installation: what it guards is of all projects.
`opens` asks for nothing. One function, a dependency of the whole application, enforces them, so that a route that was
forgotten answers 403; and an application with such a route does not start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute, Mount

from api.access.caller import caller_of
from api.access.problems import FORBIDDEN, forbidden, not_the_operator, unauthenticated
from api.problems import Rejected
from core.catalog.keys import SCOPES, Scope, covers
from core.catalog.scope import DEFAULT

OPEN_MOUNTS = ("/static", "/docs/assets")
"""Files that come with the program."""


@dataclass(frozen=True)
class Policy:
    """The scope that a caller needs; None: nothing, not even a key. `everywhere`: a key of the project `default`."""

    scope: Scope | None
    everywhere: bool = False

    async def __call__(self) -> None:
        """Only says what is asked: `enforce` asks it."""


opens = Depends(Policy(None))
reads = Depends(Policy("read"))
writes = Depends(Policy("write"))
administers = Depends(Policy("admin"))
operates = Depends(Policy("admin", everywhere=True))


class NoPolicy(RuntimeError):
    """A route does not say who may use it."""


def policy_of(route: BaseRoute) -> Policy | None:
    """The strictest of what a route and its routers declare; None where they declare nothing."""
    declared = [
        given.dependency
        for given in (route.dependencies if isinstance(route, APIRoute) else ())
        if isinstance(given.dependency, Policy)
    ]
    return max(declared, key=_strictness, default=None)


def _strictness(policy: Policy) -> tuple[int, bool]:
    return SCOPES.index(policy.scope) if policy.scope else -1, policy.everywhere


async def enforce(request: Request) -> None:
    """Refuse a request whose caller may not do what its route does."""
    policy = policy_of(request.scope["route"])
    if policy is None:
        raise Rejected(FORBIDDEN, "This route does not say who may use it, so nobody may.")
    if policy.scope is None:
        return
    caller = caller_of(request)
    if caller is None:
        raise unauthenticated("none was sent")
    if not covers(caller.scope, policy.scope):
        await request.app.state.refusals.note(request.scope, "forbidden")
        raise forbidden(policy.scope, caller.scope)
    if policy.everywhere and caller.project != DEFAULT:
        raise not_the_operator(policy.scope)


def routes(app: FastAPI) -> Iterator[BaseRoute]:
    """Every route of an application, those of its routers included."""
    for context in iter_route_contexts(app.routes):
        yield context.original_route


def open_paths(app: FastAPI) -> frozenset[str]:
    """The paths that are open to all."""
    return frozenset(
        route.path
        for route in routes(app)
        if isinstance(route, APIRoute) and (policy := policy_of(route)) is not None and policy.scope is None
    )


def require_policies(app: FastAPI) -> None:
    """Raise `NoPolicy` unless every route says who may use it."""
    for route in routes(app):
        path = getattr(route, "path", "?")
        if isinstance(route, Mount):
            said = path in OPEN_MOUNTS
        else:
            # The framework's own route of the document has no dependencies: the gate lets in whoever has a key.
            said = policy_of(route) is not None or path == app.openapi_url
        if not said:
            raise NoPolicy(f"{path} does not say who may use it: give it reads, writes, administers or opens")
