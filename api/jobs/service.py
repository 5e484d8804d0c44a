"""What the job routes do, each in one transaction of its own."""

from __future__ import annotations

from collections.abc import Iterator

from anyio import move_on_after
from sqlalchemy.orm import Session

from api import limits
from api.deletion import absent, moment
from api.idempotency import Once
from api.jobs.feed import Feed
from api.jobs.queueing import Answer, Queued, asked, hold
from api.jobs.schemas import JobBody, JobSummary, RunBody
from api.problems import WRONG_STATE, Rejected
from core.catalog import jobs, ledger, queue, search, study_changes
from core.catalog.database import Database
from core.catalog.idempotency import Made
from core.catalog.ledger import JobCost
from core.catalog.paging import Cursor
from core.catalog.search import JobFilter, Order
from core.catalog.tables import Job
from core.jobs.specs import parse_spec
from core.jobs.states import STATES, TERMINAL, State
from core.settings import Settings


def show(database: Database, job_id: str) -> JobBody:
    """One job."""
    with database.read() as session:
        return JobBody.of(existing(session, job_id))


def page(
    database: Database, limit: int, after: Cursor | None, wanted: JobFilter, order: Order
) -> tuple[list[JobSummary], Cursor | None]:
    """Jobs by the time they were asked for, and where the next page starts."""
    with database.read() as session:
        found = search.page(session, limit, after, wanted, order)
        return [JobSummary.of(job) for job in found.rows], found.next


def cancel(database: Database, once: Once, job_id: str) -> Answer:
    """Cancel a job, or ask it to stop; asking again changes nothing."""

    def ask(session: Session) -> Made:
        if jobs.cancel(session, job_id) is None:
            job = existing(session, job_id)
            if job.state not in (State.CANCELLING, State.CANCELLED):
                raise _wrong_state(job)
        return Made(202, job_id)

    return once.make(database, "cancel", b"", ask)


def prioritise(database: Database, job_id: str, priority: int) -> JobBody:
    """Give a job that has not begun another place in the queue."""
    with database.write("prioritise") as session:
        if queue.prioritise(session, job_id, priority) is None:
            raise _wrong_state(existing(session, job_id))
        return JobBody.of(existing(session, job_id))


def retry(
    database: Database, settings: Settings, once: Once, job_id: str, priority: int | None = None
) -> Answer:
    """Queue a new job with the spec of one that failed or was cancelled; studies that had that have this."""

    def again(session: Session) -> Made:
        job = existing(session, job_id)
        if job.kind == "import":
            raise Rejected(
                WRONG_STATE, "An import's file does not outlive its job: upload it again.", state=job.state
            )
        spec = parse_spec(job.spec)
        hold(session, spec)
        made = jobs.retry(session, job, spec, settings.max_attempts, priority)
        if made is None:
            raise _wrong_state(job)
        limits.check(session)
        study_changes.take_up(session, job_id, made.id)
        return Queued(202, made.id, made)

    return once.make(database, "retry", asked(priority), again)


def runs(database: Database, job_id: str) -> list[RunBody]:
    """A job's trainings."""
    with database.read() as session:
        return [RunBody.of(run) for run in existing(session, job_id).runs]


def cost(database: Database, job_id: str) -> JobCost:
    """What a job took of the devices so far."""
    with database.read() as session:
        return ledger.entry(existing(session, job_id), jobs.clock(session))


def log(database: Database, job_id: str) -> Iterator[str]:
    """What a job's attempts wrote, under a heading for each attempt."""
    seq = attempt = 0
    with database.read() as session:
        dropped = existing(session, job_id).log_dropped_at
    if dropped is not None:
        yield f"(what its attempts wrote was kept until {moment(dropped)})\n"
    while True:
        with database.read() as session:
            events = jobs.events_after(session, job_id, seq, kind="log")
        if not events:
            return
        for event in events:
            if event.attempt != attempt:
                attempt = event.attempt
                yield f"attempt {attempt}\n"
            yield f"{event.data['text'].rstrip()}\n"
        seq = events[-1].seq


async def ended(feed: Feed, job_id: str, seconds: float) -> None:
    """Wait until a job has ended, but not longer than that."""
    with feed.watch(job_id) as watch, move_on_after(seconds):
        while (await watch.next())[0].state not in TERMINAL:
            pass


def existing(session: Session, job_id: str) -> Job:
    """A job that is there; raises `Rejected`."""
    job = jobs.get(session, job_id)
    if job is None:
        raise absent(session, Job, job_id)
    return job


def _wrong_state(job: Job) -> Rejected:
    meaning = STATES[State(job.state)].meaning
    return Rejected(WRONG_STATE, f"The job is {job.state}: {meaning}.", state=job.state)
