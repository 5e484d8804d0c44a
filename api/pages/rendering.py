"""Templates to responses: autoescaped, and never kept by a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.access.caller import signed_in
from api.pages import formats
from core.jobs.states import STATES, State

_HERE = Path(__file__).parent

HEADERS = {"Cache-Control": "no-store"}


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "ago": formats.ago,
        "bytes": formats.size,
        "count": formats.count,
        "duration": formats.duration,
        "iso": formats.iso,
        "percent": formats.percent,
        "pretty": formats.pretty,
        "scaled": formats.scaled,
        "short": formats.short,
        "spread": formats.spread,
        "utc": formats.utc,
    }
    environment.globals |= {"facts": lambda state: STATES[State(state)], "signed_in": signed_in.get}
    return environment


_TEMPLATES = _environment()


def render(template: str, **context: Any) -> HTMLResponse:
    """A page."""
    return HTMLResponse(_TEMPLATES.get_template(template).render(context), headers=HEADERS)


def base_url(request: Request) -> str:
    """The address that this installation was reached at."""
    return str(request.base_url).rstrip("/")


class _Revalidated(StaticFiles):
    """Static files that a browser asks about each time: after an upgrade no page meets last version's script."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def mount_static(app: FastAPI) -> None:
    """Serve the pages' style sheet, scripts and marks below /static."""
    app.mount("/static", _Revalidated(directory=_HERE / "static"), name="static")
