"""A request that makes a job: it waits for the job where that is preferred, and is answered with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Depends, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from api.dependencies import DatabaseDep, FeedDep, SettingsDep
from api.idempotency import REPLAYED, Once, OnceDep
from api.jobs import service
from api.jobs.feed import Feed
from api.jobs.schemas import JobBody
from api.jobs.service import FOUND
from api.preferences import WaitDep
from core.catalog.database import Database
from core.catalog.idempotency import Made
from core.jobs.specs import ReusableSpec
from core.settings import Settings

REUSED = {"Job-Reused": "true"}


@dataclass(frozen=True)
class Submission:
    """Queues a job, waits for it where that is preferred, and answers with it."""

    _database: Database
    _settings: Settings
    _feed: Feed
    _once: Once
    _wait: int
    _response: Response

    async def of(self, spec: ReusableSpec, priority: int | None) -> JobBody:
        """The job made of `spec`, or a finished one that is identical."""
        return await self.answer(
            partial(service.submit, self._database, self._settings, self._once, spec, priority)
        )

    async def again(self, job_id: str, priority: int | None) -> JobBody:
        """The job made of another one's spec."""
        return await self.answer(
            partial(service.retry, self._database, self._settings, self._once, job_id, priority)
        )

    async def answer(self, make: Callable[[], tuple[Made, bool]]) -> JobBody:
        """The job that `make` makes or finds, beside whether an earlier request had."""
        if not self._wait:
            # One thread for both: to change over costs as much as to read the job.
            return await run_in_threadpool(lambda: answer(self._database, self._response, make()))
        made = await run_in_threadpool(make)
        result, _ = made
        if result.status != FOUND:
            await service.ended(self._feed, result.resource, self._wait)
        body = await run_in_threadpool(answer, self._database, self._response, made)
        self._response.headers["Preference-Applied"] = f"wait={self._wait}"
        if body.finished_at is not None:
            self._response.status_code = 200
        return body


async def _submission(
    database: DatabaseDep,
    settings: SettingsDep,
    feed: FeedDep,
    once: OnceDep,
    wait: WaitDep,
    response: Response,
) -> Submission:
    return Submission(database, settings, feed, once, wait or 0, response)


SubmissionDep = Annotated[Submission, Depends(_submission)]


def answer(database: Database, response: Response, made: tuple[Made, bool]) -> JobBody:
    """A job as the answer to the request that made or steered it."""
    result, replayed = made
    response.status_code = result.status
    response.headers["Location"] = f"/jobs/{result.resource}"
    if result.status == FOUND:
        response.headers.update(REUSED)
    if replayed:
        response.headers.update(REPLAYED)
    return service.show(database, result.resource)


def as_json(body: BaseModel, response: Response) -> Response:
    """A body beside the one that its route declares, with the status and the headers that were set."""
    return Response(
        body.model_dump_json(by_alias=True),
        response.status_code or 200,
        dict(response.headers),
        "application/json",
    )
