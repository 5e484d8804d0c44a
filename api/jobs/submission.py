"""A request that makes a job: it waits for the job where that is preferred, and is answered with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from api.access.caller import act_of
from api.dependencies import BatchesDep, DatabaseDep, FeedDep
from api.idempotency import REPLAYED, Once, OnceDep
from api.jobs import service
from api.jobs.batches import Batches
from api.jobs.feed import Feed
from api.jobs.queueing import FOUND, Answer, Queued, Wanted
from api.jobs.schemas import JobBody
from api.preferences import WaitDep
from core.catalog.audit import Act
from core.catalog.database import Database
from core.catalog.idempotency import Made
from core.jobs.specs import ReusableSpec
from core.settings import Settings

REUSED = {"Job-Reused": "true"}


@dataclass(frozen=True)
class Submission:
    """Queues a job, waits for it where that is preferred, and answers with it."""

    _database: Database
    _act: Act
    _batches: Batches
    _feed: Feed
    _once: Once
    _wait: int
    _response: Response

    async def of(self, spec: ReusableSpec, priority: int | None) -> JobBody:
        """The job made of `spec`, or a finished one that is identical."""
        wanted = Wanted(self._database, self._act, self._once, spec, priority)
        return await self.answer(await self._batches.submit(wanted))

    async def again(self, settings: Settings, job_id: str, priority: int | None) -> JobBody:
        """The job made of another one's spec."""
        made = await run_in_threadpool(service.retry, self._database, settings, self._once, job_id, priority)
        return await self.answer(made)

    async def answer(self, made: Answer) -> JobBody:
        """The job that was made or found."""
        if not self._wait:
            return await answer(self._database, self._response, made)
        result, replayed = made
        if result.status != FOUND:
            await service.ended(self._feed, result.resource, self._wait)
        by_now = Made(result.status, result.resource), replayed
        body = await answer(self._database, self._response, by_now)
        self._response.headers["Preference-Applied"] = f"wait={self._wait}"
        if body.finished_at is not None:
            self._response.status_code = 200
        return body


async def _submission(
    request: Request,
    database: DatabaseDep,
    batches: BatchesDep,
    feed: FeedDep,
    once: OnceDep,
    wait: WaitDep,
    response: Response,
) -> Submission:
    return Submission(database, act_of(request), batches, feed, once, wait or 0, response)


SubmissionDep = Annotated[Submission, Depends(_submission)]


async def answer(database: Database, response: Response, made: Answer) -> JobBody:
    """A job as the answer to the request that made or steered it."""
    result, replayed = made
    response.status_code = result.status
    response.headers["Location"] = f"/jobs/{result.resource}"
    if result.status == FOUND:
        response.headers.update(REUSED)
    if replayed:
        response.headers.update(REPLAYED)
    if isinstance(result, Queued):
        return JobBody.of(result.job)
    return await run_in_threadpool(service.show, database, result.resource)


def as_json(body: BaseModel, response: Response) -> Response:
    """A body beside the one that its route declares, with the status and the headers that were set."""
    return Response(
        body.model_dump_json(by_alias=True),
        response.status_code or 200,
        dict(response.headers),
        "application/json",
    )
