"""The routes of jobs: four that make them, and those that watch and steer them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import Field

from api.dependencies import DatabaseDep, FeedDep, JobPath, SettingsDep
from api.idempotency import REPLAYED, OnceDep
from api.jobs import examples, service
from api.jobs.feed import Feed
from api.jobs.schemas import (
    EvaluateRequest,
    FindRequest,
    JobBody,
    JobSummary,
    Kind,
    RunBody,
    TrainRequest,
    TransformRequest,
)
from api.jobs.stream import has_more, stream
from api.paging import Listing, Paging, listing
from api.problems import (
    INVALID_REQUEST,
    KEY_REUSED,
    NOT_FOUND,
    NOT_JSON,
    REFUSED,
    TOO_LARGE,
    UNSUITABLE,
    WRONG_STATE,
    documented,
    not_found,
)
from core.catalog.database import Database
from core.catalog.idempotency import Made
from core.jobs.specs import JobSpec
from core.jobs.states import State
from core.settings import Settings

router = APIRouter(tags=["jobs"])
LONGEST_WAIT = 60

_FINISHED: dict[int | str, dict[str, Any]] = {
    200: {"model": JobBody, "description": "The finished job, where `Prefer: wait` asked for it"}
}
_REFUSALS = (INVALID_REQUEST, UNSUITABLE, KEY_REUSED, NOT_JSON, TOO_LARGE)
_MADE = _FINISHED | documented(*_REFUSALS)


async def _wait(
    prefer: Annotated[
        list[str] | None,
        Header(
            description=f"`wait=N`: answer with the finished job, after at most N seconds (at most {LONGEST_WAIT})"
        ),
    ] = None,
) -> int:
    found = re.search(r'(?:^|[,;])\s*wait\s*=\s*"?0*([0-9]+)"?\s*(?:[,;]|$)', ",".join(prefer or ()), re.I)
    return min(int(found[1][:4]), LONGEST_WAIT) if found else 0


class Submission:
    """Queues a job, waits for it where that is preferred, and answers with it."""

    def __init__(
        self,
        database: DatabaseDep,
        settings: SettingsDep,
        feed: FeedDep,
        once: OnceDep,
        wait: Annotated[int, Depends(_wait)],
        response: Response,
    ) -> None:
        self._database: Database = database
        self._settings: Settings = settings
        self._feed: Feed = feed
        self._once = once
        self._wait = wait
        self._response = response

    async def of(self, spec: JobSpec) -> JobBody:
        """The job made of `spec`."""
        return await self._answer(
            await run_in_threadpool(service.submit, self._database, self._settings, self._once, spec)
        )

    async def again(self, job_id: str) -> JobBody:
        """The job made of another one's spec."""
        return await self._answer(
            await run_in_threadpool(service.retry, self._database, self._settings, self._once, job_id)
        )

    async def _answer(self, made: tuple[Made, bool]) -> JobBody:
        if self._wait:
            await service.ended(self._feed, made[0].resource, self._wait)
            self._response.headers["Preference-Applied"] = f"wait={self._wait}"
        body = await run_in_threadpool(_answer, self._database, self._response, made)
        if self._wait and body.finished_at is not None:
            self._response.status_code = 200
        return body


SubmissionDep = Annotated[Submission, Depends(Submission)]


@router.post("/find", status_code=202, responses=_MADE)
async def find(spec: FindRequest, submission: SubmissionDep) -> JobBody:
    """Find a ticket per seed, by IMP or another pruning method, on an architecture and a dataset."""
    return await submission.of(spec)


@router.post(
    "/transform",
    status_code=202,
    responses=_FINISHED | documented(REFUSED, *_REFUSALS),
)
async def transform(spec: TransformRequest, submission: SubmissionDep) -> JobBody:
    """Stretch or squeeze tickets into another member of their family."""
    return await submission.of(spec)


@router.post("/train", status_code=202, responses=_MADE)
async def train(spec: TrainRequest, submission: SubmissionDep) -> JobBody:
    """Train tickets from their rewind points, or a dense network from its initialisation."""
    return await submission.of(spec)


@router.post("/evaluate", status_code=202, responses=_MADE)
async def evaluate(spec: EvaluateRequest, submission: SubmissionDep) -> JobBody:
    """Measure tickets as they are, or what a train job trained, on a dataset's test images."""
    return await submission.of(spec)


class JobQuery(Paging):
    """What jobs to list."""

    state: list[State] = Field([], description="only jobs in these states")
    kind: list[Kind] = Field([], description="only jobs of these kinds")


@router.get("/jobs", responses=documented(INVALID_REQUEST))
def list_jobs(
    request: Request, response: Response, database: DatabaseDep, query: Annotated[JobQuery, Query()]
) -> Listing[JobSummary]:
    """List jobs, newest first."""
    found = service.page(database, query.limit, query.after, query.state, query.kind)
    return listing(request, response, *found)


@router.get("/jobs/{job}", responses=documented(NOT_FOUND))
def show_job(job: JobPath, database: DatabaseDep) -> JobBody:
    """Show a job: its state, its progress, its attempts and what it produced."""
    return service.show(database, job)


def _resume(
    job: JobPath,
    database: DatabaseDep,
    after: Annotated[int, Query(ge=0, lt=2**63, description="start past the event of this id")] = 0,
    last_event_id: Annotated[
        int | None,
        Header(ge=0, lt=2**63, description="the same; what an EventSource sends when it reconnects"),
    ] = None,
) -> int:
    seq = after if last_event_id is None else last_event_id
    more = has_more(database, job, seq)
    if more is None:
        raise not_found("job", job)
    if not more:
        raise HTTPException(204)  # what tells an EventSource to stop reconnecting
    return seq


@router.get(
    "/jobs/{job}/events",
    response_class=EventSourceResponse,
    responses={
        200: {"content": {"text/event-stream": {"example": examples.EVENTS}}},
        204: {"description": "The job has ended and nothing is left to tell"},
        **documented(NOT_FOUND, INVALID_REQUEST),
    },
)
async def watch_job(
    job: JobPath, database: DatabaseDep, feed: FeedDep, after: Annotated[int, Depends(_resume)]
) -> AsyncIterable[ServerSentEvent]:
    """Watch a job: its events so far, then live, until it has ended.

    `state`, `epoch` and `log` events are numbered, and a stream resumes past `Last-Event-ID`; `progress` events
    tell how far the job is and are not repeated.
    """
    async for event in stream(database, feed, job, after):
        yield event


@router.get("/jobs/{job}/runs", responses=documented(NOT_FOUND))
def list_runs(job: JobPath, database: DatabaseDep) -> Listing[RunBody]:
    """List a job's trainings, with their metrics per epoch."""
    return Listing(items=service.runs(database, job))


@router.get(
    "/jobs/{job}/log",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"example": examples.LOG}}}, **documented(NOT_FOUND)},
)
def read_log(job: JobPath, database: DatabaseDep) -> StreamingResponse:
    """Read what a job's attempts wrote."""
    with database.read() as session:
        service.existing(session, job)
    return StreamingResponse(service.log(database, job), media_type="text/plain; charset=utf-8")


_STEERED = documented(NOT_FOUND, WRONG_STATE, KEY_REUSED, INVALID_REQUEST)


@router.post("/jobs/{job}/cancel", status_code=202, responses=_STEERED)
def cancel_job(job: JobPath, database: DatabaseDep, once: OnceDep, response: Response) -> JobBody:
    """Cancel a job: at once where it waits, else its worker is told to stop it. Again, it changes nothing."""
    return _answer(database, response, service.cancel(database, once, job))


@router.post("/jobs/{job}/retry", status_code=202, responses=_FINISHED | _STEERED)
async def retry_job(job: JobPath, submission: SubmissionDep) -> JobBody:
    """Retry a job that failed or was cancelled: a new job with the same spec."""
    return await submission.again(job)


def _answer(database: Database, response: Response, made: tuple[Made, bool]) -> JobBody:
    result, replayed = made
    response.status_code = result.status
    response.headers["Location"] = f"/jobs/{result.resource}"
    if replayed:
        response.headers.update(REPLAYED)
    return service.show(database, result.resource)
