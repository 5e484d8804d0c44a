"""The application: routes, problems, and what they share."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from fastapi import Depends, FastAPI
from starlette.types import ASGIApp

from api import deletion, docs, failures
from api.access import policies
from api.access.documented import with_keys
from api.access.gate import Gate
from api.access.refusals import Refusals
from api.deletion import GONE
from api.gate.bodies import TOO_SLOW, Bodies
from api.gate.connections import allow_connections
from api.gate.origins import FOREIGN, MISDIRECTED, SAFE, Origins
from api.gate.rates import TOO_OFTEN, Rates
from api.guard import Guard
from api.health import VERSION
from api.jobs.batches import Batches
from api.jobs.feed import Feed
from api.limits import PROJECT_FULL, TOO_MANY_WAITING
from api.observing.figures import counted
from api.observing.installation import Installation
from api.observing.requests import Observed, Routed
from api.pages.negotiation import PagesForBrowsers
from api.pages.rendering import mount_static
from api.paging import turns
from api.problems import NO_ROOM, NOT_READY, Problem, documented
from api.routes import LARGEST_BODY, every_route, operation_id
from api.tickets.reception import Reception
from core import logs, tracing
from core.catalog.database import Database
from core.catalog.stores import store_of
from core.lifeline import die_with_parent
from core.settings import Settings
from core.settings import settings as environment

DELETABLE = ("/tickets/{", "/jobs/{", "/studies/{")

_TAGS = [
    {
        "name": "tickets",
        "description": "Upload, search, compare and download tickets; their layers, lineage and results.",
    },
    {
        "name": "jobs",
        "description": "Find, transform, train, evaluate and connect; watch, cancel and retry.",
    },
    {"name": "studies", "description": "Compare, in one request: many jobs whose results form a table."},
    {"name": "catalogue", "description": "What this installation can do."},
    {
        "name": "keys",
        "description": "Who may come into this project, what they may do in it, and what was done.",
    },
    {"name": "health", "description": "For whoever operates it."},
]


class Api(FastAPI):
    """FastAPI behind the guard, with the problem document among its schemas."""

    def build_middleware_stack(self) -> ASGIApp:
        """The guard goes around everything, body limits and server errors included; it is observed itself."""
        told = self.state.settings.log == "json"
        return Observed(Guard(super().build_middleware_stack()), self.state.figures, told)

    _document: ClassVar[dict[str, Any] | None] = None

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document: the same for all applications of a process, as their routes are."""
        if Api._document is None:
            Api._document = with_keys(self, _with_problems(super().openapi()))
        return Api._document


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """FastAPI announces validation errors of its own form, which never leave this application."""
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
            _add(operation["responses"], documented(MISDIRECTED, TOO_OFTEN, NOT_READY))
            if method.upper() not in SAFE:
                _add(operation["responses"], documented(FOREIGN, TOO_SLOW, NO_ROOM))
            if method == "post" or path.endswith("/file"):
                _add(operation["responses"], documented(TOO_MANY_WAITING, PROJECT_FULL))
            if path.startswith(DELETABLE) and method != "delete":
                _add(operation["responses"], documented(GONE))
    problem = Problem.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    schemas |= {**problem.pop("$defs"), "Problem": problem}
    return document


def _add(responses: dict[str, Any], more: dict[int | str, dict[str, Any]]) -> None:
    """Add what a request may be answered with whatever its route."""
    for status, response in more.items():
        for media, said in responses.setdefault(str(status), response)["content"].items():
            said["examples"] |= response["content"][media]["examples"]


def create_app(settings: Settings) -> FastAPI:
    """The API of one installation."""
    database = Database(settings.database)
    feed = Feed(database.everywhere())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await feed.close()
        database.close()
        tracing.stop()

    app = Api(
        title="Elasticket",
        summary="Finds a lottery ticket once and carries it to a whole family of networks",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_tags=_TAGS,
        generate_unique_id_function=operation_id,
        max_body_size=LARGEST_BODY,
        redirect_slashes=False,
        lifespan=lifespan,
        # FastAPI's own would tell a collector queries and the text of errors.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        dependencies=[Depends(policies.enforce)],
        routes=list(every_route(settings.max_upload_bytes)),
    )
    app.state.settings = settings
    app.state.database = database
    app.state.store = store_of(settings)
    app.state.feed = feed
    app.state.batches = Batches(settings)
    app.state.reception = Reception(settings)
    app.state.registry, app.state.figures = counted()
    app.state.installation = Installation(app.state.registry, database, app.state.store, settings)
    app.state.refusals = Refusals(database)
    app.state.turns = turns(database)
    # The last one is the first that a request meets.
    app.add_middleware(Routed)
    app.add_middleware(Bodies)
    token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
    app.add_middleware(
        Gate,
        database=database,
        asks=settings.auth == "keys",
        metrics_token=token,
        refusals=app.state.refusals,
    )
    app.add_middleware(Rates, settings.writes_per_minute, settings.reads_per_minute)
    app.add_middleware(Origins, settings.host, settings.hosts)
    app.add_middleware(PagesForBrowsers)
    for part in (failures, deletion):
        part.install(app)
    mount_static(app)
    docs.install(app)
    policies.require_policies(app)
    return app


def from_environment() -> FastAPI:
    """The API of the installation that the environment describes: what uvicorn starts."""
    settings = environment()
    allow_connections()
    if settings.log == "json":
        _log_as_json()
    if settings.api_processes > 1:
        die_with_parent()  # which restarts it; left behind it would keep the port
    tracing.start("api")
    app = create_app(settings)
    app.openapi()
    # All that is there by now stays: looking through it for garbage again and again held requests up for 0.1 s.
    gc.freeze()
    return app


def _log_as_json() -> None:
    """In uvicorn's place, whose lines of requests know no id."""
    logs.configure("api", "json")
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
