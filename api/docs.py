"""The API's documentation, in full without a network: Swagger UI comes from an installed package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

_ASSETS = "/docs/assets"


def install(app: FastAPI) -> None:
    """Serve `/docs`."""
    package = find_spec("fastapi_offline")
    assert package is not None, "fastapi-offline is a dependency"
    assert package.origin is not None, "it is a regular package"
    app.mount(_ASSETS, StaticFiles(directory=Path(package.origin).parent / "static"), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Elasticket API",
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url="data:,",
            # Otherwise Swagger UI sends the document to a validator on the internet.
            swagger_ui_parameters={"validatorUrl": None},
        )
