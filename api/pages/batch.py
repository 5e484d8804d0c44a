"""What is done to several jobs at once from their list, by a form that needs no script."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from api.idempotency import Once
from api.jobs import service
from api.problems import INVALID_REQUEST, WRONG_STATE, Flaw, Rejected
from core.catalog.database import Database
from core.catalog.queue import HIGHEST, LOWEST
from core.settings import Settings
from core.studies.words import plural

MOST = 500


class Batch(BaseModel):
    """The form: what to do, to which jobs, and where to go then: to the job, or the list with the query `back`."""

    action: Literal["cancel", "retry", "prioritise"]
    job: list[Annotated[str, Field(pattern="^[0-9a-f]{32}$")]] = Field([], max_length=MOST)
    priority: int = Field(0, ge=LOWEST, le=HIGHEST)
    back: str = ""
    to: Literal["list", "job"] = "list"


_DONE = {"cancel": "asked to stop", "retry": "queued again", "prioritise": "given another priority"}


def apply(database: Database, settings: Settings, asked: Batch) -> str:
    """Do it to every job whose state allows it; says to how many. Raises `Rejected` where it was none."""
    if not asked.job:
        flaw = Flaw(location="body", where="/job", what="none is selected", accepted="ids of jobs")
        raise Rejected(INVALID_REQUEST, "No job is selected.", flaw)
    refused: list[str] = []
    for job_id in dict.fromkeys(asked.job):
        try:
            _steer(database, settings, asked, job_id)
        except Rejected as refusal:
            refused.append(refusal.document["detail"])
    number = len(dict.fromkeys(asked.job))
    said = f"{number - len(refused)} of {plural(number, 'job')} {_DONE[asked.action]}."
    if len(refused) == number:
        raise Rejected(WRONG_STATE, f"{said} {refused[0]}")
    return f"{said} {refused[0]}" if refused else said


def _steer(database: Database, settings: Settings, asked: Batch, job_id: str) -> Any:
    once = Once(f"POST /jobs/{job_id}/{asked.action}", None)
    match asked.action:
        case "cancel":
            return service.cancel(database, once, job_id)
        case "retry":
            return service.retry(database, settings, once, job_id)
        case "prioritise":
            return service.prioritise(database, job_id, asked.priority)
