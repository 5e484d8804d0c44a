"""The API's documentation, in full without a network: Swagger UI comes from an installed package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from api.access.policies import reads
from api.pages.rendering import render

_ASSETS = "/docs/assets"


def install(app: FastAPI) -> None:
    """Serve `/docs`."""
    package = find_spec("fastapi_offline")
    assert package is not None, "fastapi-offline is a dependency"
    assert package.origin is not None, "it is a regular package"
    app.mount(_ASSETS, StaticFiles(directory=Path(package.origin).parent / "static"), name="docs-assets")

    @app.get("/docs", include_in_schema=False, dependencies=[reads])
    async def docs() -> HTMLResponse:
        return render("docs.html", assets=_ASSETS)
