"""What routes are given: the catalog, the artifact store, the settings, the feed of jobs."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Path, Request
from pydantic import AfterValidator

from api.jobs.feed import Feed
from api.problems import not_found
from core.catalog.artifacts import ArtifactStore
from core.catalog.database import Database
from core.settings import Settings


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _store(request: Request) -> ArtifactStore:
    store: ArtifactStore = request.app.state.store
    return store


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _feed(request: Request) -> Feed:
    feed: Feed = request.app.state.feed
    return feed


DatabaseDep = Annotated[Database, Depends(_database)]
StoreDep = Annotated[ArtifactStore, Depends(_store)]
SettingsDep = Annotated[Settings, Depends(_settings)]
FeedDep = Annotated[Feed, Depends(_feed)]


def _identity(what: str, digits: int) -> AfterValidator:
    def check(given: str) -> str:
        if re.fullmatch(f"[0-9a-f]{{{digits}}}", given) is None:
            raise not_found(what, given)  # an id that cannot be one is the id of nothing
        return given

    return AfterValidator(check)


TicketPath = Annotated[
    str, Path(description="a ticket's id", examples=["9f2c" * 16]), _identity("ticket", 64)
]
JobPath = Annotated[str, Path(description="a job's id", examples=["4b1d" * 8]), _identity("job", 32)]
