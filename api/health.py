"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import SQLAlchemyError

from api.access.policies import opens
from api.dependencies import InstallationDep, SettingsDep, StoreDep
from api.problems import NOT_READY, Flaw, Rejected, documented
from core.catalog.artifacts import ArtifactStore
from core.catalog.database import Database
from core.settings import Settings

router = APIRouter(tags=["health"], dependencies=[opens])
VERSION = version("elasticket")


class Health(BaseModel):
    """The process answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok", "version": "0.1.0"}]})

    status: Literal["ok"] = "ok"
    version: str = VERSION


class Readiness(BaseModel):
    """Everything the API needs is there."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ready"}]})

    status: Literal["ready"] = "ready"


@router.get("/healthz")
async def healthz() -> Health:
    """Tell that the process lives."""
    return Health()


@router.get("/readyz", responses=documented(NOT_READY))
def readyz(database: InstallationDep, store: StoreDep, settings: SettingsDep) -> Readiness:
    """Tell whether the database, its schema and the artifact store are ready."""
    flaws = unready(database, store, settings)
    if flaws:
        raise Rejected(NOT_READY, "; ".join(f"{flaw.where}: {flaw.what}" for flaw in flaws), *flaws)
    return Readiness()


def unready(database: Database, store: ArtifactStore, settings: Settings) -> list[Flaw]:
    """What of the things that the API needs is not there, and why."""
    checks: dict[str, Callable[[], str | None]] = {
        "database": lambda: _database(database, settings.database),
        "artifacts": lambda: _artifacts(store),
    }
    return [
        Flaw(location="service", where=name, what=what)
        for name, check in checks.items()
        if (what := check()) is not None
    ]


def _database(database: Database, url: str) -> str | None:
    from core.catalog.migrate import schema  # Alembic: a tenth of a second that no other route needs

    try:
        usable = schema(database, url).is_usable
        return None if usable else "the schema is not current: run elasticket migrate"
    except SQLAlchemyError:
        return "cannot be reached"


def _artifacts(store: ArtifactStore) -> str | None:
    try:
        store.ready()
    except OSError as error:
        return f"cannot be written to: {error.strerror or error}"
    return None
