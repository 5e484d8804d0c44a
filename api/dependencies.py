"""What routes are given: the catalog, the artifact store, the settings, the feed of jobs."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from pydantic import AfterValidator

from api.access.caller import act_of, caller_of
from api.access.problems import unauthenticated
from api.jobs.batches import Batches
from api.jobs.feed import Feed
from api.problems import not_found
from core.catalog import audit
from core.catalog.artifacts import ArtifactStore
from core.catalog.database import Database
from core.settings import Settings


def _shared(name: str) -> Any:
    async def given(request: Request) -> Any:
        return getattr(request.app.state, name)

    return Depends(given)


async def _callers_database(request: Request) -> Database:
    caller = caller_of(request)
    if caller is None:
        raise unauthenticated("none was sent")
    database: Database = request.app.state.database
    witness = partial(audit.enter, act=act_of(request), project=caller.project)
    return database.of(caller.project).witnessed(witness)


DatabaseDep = Annotated[Database, Depends(_callers_database)]
"""The catalog as the caller's project has it: whatever a route asks of it, it sees and makes nothing of others', and
whatever it changes is entered in the audit log."""
InstallationDep = Annotated[Database, _shared("database")]
"""The catalog for what is no project's: whether it can be reached, and whose a key is."""
StoreDep = Annotated[ArtifactStore, _shared("store")]
SettingsDep = Annotated[Settings, _shared("settings")]
FeedDep = Annotated[Feed, _shared("feed")]
BatchesDep = Annotated[Batches, _shared("batches")]


def _identity(what: str, digits: int) -> AfterValidator:
    def check(given: str) -> str:
        if re.fullmatch(f"[0-9a-f]{{{digits}}}", given) is None:
            raise not_found(what, given)  # an id that cannot be one is the id of nothing
        return given

    return AfterValidator(check)


TicketPath = Annotated[
    str, Path(description="a ticket's id", examples=["9f2c" * 16]), _identity("ticket", 64)
]
OtherTicketPath = Annotated[
    str, Path(description="another ticket's id", examples=["c07e" * 16]), _identity("ticket", 64)
]
StudyPath = Annotated[str, Path(description="a study's id", examples=["7c5e" * 8]), _identity("study", 32)]
KeyPath = Annotated[str, Path(description="a key's id", examples=["4b1d" * 3]), _identity("key", 12)]
UploadPath = Annotated[
    str, Path(description="an upload's id", examples=["4b1d" * 8]), _identity("upload", 32)
]
JobPath = Annotated[str, Path(description="a job's id", examples=["4b1d" * 8]), _identity("job", 32)]
