"""The routes of jobs: those that make them, and those that watch and steer them."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import Field

from api.access.policies import reads, writes
from api.deletion import NEEDED, NOT_OVER, DeletedBody, delete
from api.dependencies import DatabaseDep, FeedDep, JobPath, SettingsDep, StoreDep
from api.idempotency import OnceDep
from api.jobs import examples, service
from api.jobs.ledger import JobLedger
from api.jobs.plans import TransformPlan
from api.jobs.preview import preview
from api.jobs.schemas import (
    ConnectRequest,
    EvaluateRequest,
    FindRequest,
    JobBody,
    JobSummary,
    Kind,
    PriorityChange,
    RunBody,
    TrainRequest,
    TransformRequest,
)
from api.jobs.stream import has_more, stream
from api.jobs.submission import SubmissionDep, answer
from api.paging import Listing, Paging, listing
from api.problems import (
    FILE_DAMAGED,
    FILE_MISSING,
    INVALID_REQUEST,
    KEY_REUSED,
    NOT_FOUND,
    NOT_JSON,
    REFUSED,
    TOO_LARGE,
    UNSUITABLE,
    WRONG_STATE,
    documented,
)
from api.queries import OnlyDocumented
from core.catalog.queue import HIGHEST, LOWEST
from core.catalog.search import JobFilter, Order
from core.catalog.tables import Job
from core.jobs.states import State

router = APIRouter(tags=["jobs"], dependencies=[reads, OnlyDocumented])

LONGEST = 200
"""Characters of a filter."""

_FINISHED: dict[int | str, dict[str, Any]] = {
    200: {"model": JobBody, "description": "The finished job, where `Prefer: wait` asked for it"}
}
_HEADERS = {
    "Job-Reused": {"description": "`true`: an earlier job is the answer", "schema": {"type": "string"}}
}
_REUSED = (
    "A finished job that is identical, unless the request says `fresh`; or the finished new one, where"
    " `Prefer: wait` asked for it"
)
_REFUSALS = (INVALID_REQUEST, UNSUITABLE, KEY_REUSED, NOT_JSON, TOO_LARGE)
_MADE: dict[int | str, dict[str, Any]] = {
    200: {"model": JobBody, "description": _REUSED, "headers": _HEADERS},
    **documented(*_REFUSALS),
}


Priority = Annotated[
    int | None,
    Query(
        ge=LOWEST,
        le=HIGHEST,
        description="among the jobs that wait, the highest is taken first, and of those the oldest; default: 0, or that"
        " of the job that is retried. A finished job that answers ignores it",
    ),
]


@router.post("/find", dependencies=[writes], status_code=202, responses=_MADE)
async def find(spec: FindRequest, submission: SubmissionDep, priority: Priority = None) -> JobBody:
    """Find a ticket per seed, by IMP or another pruning method, on an architecture and a dataset."""
    return await submission.of(spec, priority)


_PLANNED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": JobBody | TransformPlan,
        "description": f"{_REUSED}. The plan, where `dry_run` asked for that",
        "headers": _HEADERS,
        "content": {
            "application/json": {
                "examples": {
                    "finished": {"summary": "The finished job", "value": examples.SUCCEEDED},
                    "plan": {"summary": "A dry run", "value": examples.PLAN},
                }
            }
        },
    }
}


@router.post(
    "/transform",
    dependencies=[writes],
    status_code=202,
    response_model=JobBody,
    responses=_PLANNED | documented(REFUSED, FILE_MISSING, FILE_DAMAGED, *_REFUSALS),
)
async def transform(
    spec: TransformRequest,
    submission: SubmissionDep,
    database: DatabaseDep,
    store: StoreDep,
    priority: Priority = None,
    dry_run: Annotated[bool, Query(description="tell exactly what would come of it, and do nothing")] = False,
) -> JobBody | Response:
    """Stretch or squeeze tickets into another member of their family: another depth, width, input or classes.

    With `dry_run` the answer is the unit map, every layer's survivors and the totals that the tickets would have.
    """
    if dry_run:
        plan = await run_in_threadpool(preview, database, store, spec)
        return Response(plan.model_dump_json(by_alias=True), media_type="application/json")
    return await submission.of(spec, priority)


@router.post("/train", dependencies=[writes], status_code=202, responses=_MADE)
async def train(spec: TrainRequest, submission: SubmissionDep, priority: Priority = None) -> JobBody:
    """Train tickets from their rewind points, or a dense network from its initialisation."""
    return await submission.of(spec, priority)


@router.post("/evaluate", dependencies=[writes], status_code=202, responses=_MADE)
async def evaluate(spec: EvaluateRequest, submission: SubmissionDep, priority: Priority = None) -> JobBody:
    """Measure tickets as they are, or what a train job trained, on a dataset's test images."""
    return await submission.of(spec, priority)


@router.post("/connect", dependencies=[writes], status_code=202, responses=_MADE)
async def connect(spec: ConnectRequest, submission: SubmissionDep, priority: Priority = None) -> JobBody:
    """Measure the networks on the line between two trainings of one ticket: linear mode connectivity."""
    return await submission.of(spec, priority)


class JobQuery(Paging):
    """What jobs to list."""

    state: list[State] = Field([], description="only jobs in these states")
    kind: list[Kind] = Field([], description="only jobs of these kinds")
    dataset: str | None = Field(None, max_length=LONGEST, description="only jobs on this dataset")
    architecture: str | None = Field(
        None,
        max_length=LONGEST,
        description="only jobs with this architecture: their own, their target, or that of a ticket they were given",
    )
    q: str = Field(
        "",
        max_length=LONGEST,
        description="words, each to be found in a job's id, its worker, or what it is about: kind, architectures,"
        " dataset, method, the ids of the tickets and jobs it names",
    )
    order: Order = Field("newest", description="by the time they were asked for")

    @property
    def wanted(self) -> JobFilter:
        """The filter alone."""
        return JobFilter(self.state, self.kind, self.dataset, self.architecture, self.q)


@router.get("/jobs", response_model=Listing[JobSummary], responses=documented(INVALID_REQUEST))
async def list_jobs(request: Request, database: DatabaseDep, query: Annotated[JobQuery, Query()]) -> Response:
    """List jobs by the time they were asked for.

    A page looks through 10,000 jobs of each state at most for those that match anything but their state. So it may
    hold fewer than `limit` and still have a `next`, which goes on looking. A job whose id begins with the 8 or more
    digits that `q` consists of is always found.
    """
    return await listing(
        request, lambda: service.page(database, query.limit, query.after, query.wanted, query.order)
    )


@router.get("/jobs/{job}", responses=documented(NOT_FOUND))
def show_job(job: JobPath, database: DatabaseDep) -> JobBody:
    """Show a job: its state, its progress, its attempts and what it produced."""
    return service.show(database, job)


@router.patch(
    "/jobs/{job}",
    dependencies=[writes],
    responses=documented(NOT_FOUND, WRONG_STATE, INVALID_REQUEST, NOT_JSON, TOO_LARGE),
)
def prioritise_job(job: JobPath, change: PriorityChange, database: DatabaseDep) -> JobBody:
    """Give a job another priority, as long as it waits: before others in the queue, or after them."""
    return service.prioritise(database, job, change.priority)


@router.delete("/jobs/{job}", dependencies=[writes], responses=documented(NOT_FOUND, NEEDED, NOT_OVER))
def delete_job(job: JobPath, database: DatabaseDep) -> DeletedBody:
    """Delete a job that is over, with its log, its results and its weights. Again, it changes nothing.

    It is refused while the job is of a study, or a job that is not over was given what it trained. The tickets that it
    made stay.
    """
    return delete(database, Job, job)


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
        with database.read() as session:
            service.existing(session, job)
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


@router.get("/jobs/{job}/ledger", responses=documented(NOT_FOUND))
def job_ledger(job: JobPath, database: DatabaseDep) -> JobLedger:
    """Show what a job took of the devices: by attempt, by training, by IMP level."""
    return JobLedger.of(service.cost(database, job))


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


@router.post("/jobs/{job}/cancel", dependencies=[writes], status_code=202, responses=_STEERED)
async def cancel_job(job: JobPath, database: DatabaseDep, once: OnceDep, response: Response) -> JobBody:
    """Cancel a job: at once where it waits, else its worker is told to stop it. Again, it changes nothing."""
    made = await run_in_threadpool(service.cancel, database, once, job)
    return await answer(database, response, made)


@router.post(
    "/jobs/{job}/retry",
    dependencies=[writes],
    status_code=202,
    responses=_FINISHED | _STEERED | documented(INVALID_REQUEST, KEY_REUSED, UNSUITABLE),
)
async def retry_job(
    job: JobPath, settings: SettingsDep, submission: SubmissionDep, priority: Priority = None
) -> JobBody:
    """Retry a job that failed or was cancelled: a new job with the same spec, which its studies go on with."""
    return await submission.again(settings, job, priority)
