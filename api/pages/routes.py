"""The pages: jobs at `/`, one page per job, the list of tickets, rendered on the server."""

from __future__ import annotations

from typing import get_args

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse
from starlette.datastructures import QueryParams

from api.dependencies import DatabaseDep, JobPath
from api.jobs import service as job_service
from api.jobs.schemas import Kind, barrier, device_seconds
from api.pages import jobs as job_views
from api.pages import latencies, results, specs, speeds
from api.pages import tickets as ticket_views
from api.pages.jobs import ACTIVE, ENDED
from api.pages.paging import cursor, link
from api.pages.rendering import base_url, render
from core.catalog import jobs, tickets
from core.catalog.paging import Page
from core.catalog.tables import Job
from core.catalog.tickets import TicketFilter
from core.families import FAMILIES
from core.jobs.datasets import DATASETS
from core.jobs.states import State

router = APIRouter(include_in_schema=False)

PAGE = 25
ACTIVE_SHOWN = 50


@router.get("/")
@router.get("/ui/jobs")
def jobs_page(
    request: Request,
    database: DatabaseDep,
    state: State | None = None,
    kind: Kind | None = None,
    after: str | None = None,
) -> HTMLResponse:
    """Jobs: those that go on first, then those that have ended, newest first."""
    kinds = [kind] if kind else []
    wanted = [state] if state else list(State)
    start = cursor(after)
    ended = [one for one in wanted if one in ENDED]
    active = [one for one in wanted if one in ACTIVE]
    empty: Page[Job] = Page([], None)
    going = empty
    with database.read() as session:
        if active and (start is None or not ended):
            going = jobs.page(session, ACTIVE_SHOWN, start if not ended else None, active, kinds)
        gone = jobs.page(session, PAGE, start, ended, kinds) if ended else empty
        at = jobs.clock(session)
        known = specs.networks(session, [*going.rows, *gone.rows])
        query = request.query_params
        following = gone.next if ended else going.next
        return render(
            "jobs.html",
            active=[job_views.view(job, known, at) for job in going.rows],
            ended=[job_views.view(job, known, at) for job in gone.rows],
            more_active=going.next is not None and bool(ended),
            states=[(one.value, link(query, "/", state=one.value), one == state) for one in State],
            kinds=[(one, link(query, "/", kind=one), one == kind) for one in get_args(Kind)],
            every_state=link(query, "/", state=None),
            every_kind=link(query, "/", kind=None),
            filtered=state is not None or kind is not None,
            state=state,
            kind=kind,
            first=link(query, "/") if start else None,
            next=link(query, "/", after=following.encode()) if following else None,
            curl=ticket_views.first_job(base_url(request)),
        )


@router.get("/ui/jobs/{job_id}")
def job_page(database: DatabaseDep, job_id: JobPath) -> HTMLResponse:
    """One job: what was asked, how it goes, what came out."""
    with database.read() as session:
        job = job_service.existing(session, job_id)
        at = jobs.clock(session)
        known = specs.networks(session, [job])
        over_orders = bool(job.spec.get("order_seeds"))
        rows = results.measured(job, known)
        outputs = {row.ticket_id: tickets.get(session, row.ticket_id) for row in job.outputs}
        return render(
            "job.html",
            job=job_views.view(job, known, at),
            error=job.error,
            retry_of=job.retry_of,
            at=at,
            terms=specs.terms(job.spec, known),
            recipe=specs.recipe(job.spec),
            attempts=[
                (row.attempt, row.worker, row.started_at, (row.ended_at or at) - row.started_at, row.outcome)
                for row in job.attempts
            ],
            rows=rows,
            timed=speeds.timed(job),
            parts=speeds.PARTS,
            device_seconds=device_seconds(job.runs),
            line=results.line(job),
            latencies=latencies.timed(job, known),
            none_of=latencies.NONE_OF,
            barrier=barrier(job.results),
            known=known,
            groups=results.replicates(rows, over_orders=over_orders),
            over="data orders" if over_orders else "seeds",
            outputs=[(row, outputs[row.ticket_id]) for row in job.outputs],
        )


@router.get("/ui/tickets")
def tickets_page(request: Request, database: DatabaseDep) -> HTMLResponse:
    """Tickets, newest first, with the filters of the API in the address."""
    query = request.query_params
    wanted = ticket_filter(query)
    with database.read() as session:
        page = tickets.page(session, PAGE, cursor(query.get("after")), wanted)
        tickets.load_origins(session, page.rows)
        return render(
            "tickets.html",
            tickets=[(ticket, tickets.origin(ticket)) for ticket in page.rows],
            at=jobs.clock(session),
            wanted=wanted,
            filters=[
                (name.replace("_", " "), value, link(query, "/ui/tickets", **{name: None}))
                for name, value in vars(wanted).items()
                if value is not None
            ],
            families=list(FAMILIES),
            datasets=list(DATASETS),
            first=link(query, "/ui/tickets") if query.get("after") else None,
            next=link(query, "/ui/tickets", after=page.next.encode()) if page.next else None,
            curl=ticket_views.first_job(base_url(request)),
        )


def ticket_filter(query: QueryParams) -> TicketFilter:
    """The filter an address asks for; a form sends its empty fields too."""
    words = ("architecture", "family", "dataset", "method", "parent", "tag")
    # PostgreSQL knows no NUL.
    given = {name: query.get(name, "").replace("\0", "").strip() for name in words}
    asked = {name: value for name, value in given.items() if value}
    return TicketFilter(
        **asked,
        sparsity_min=_share(query.get("sparsity_min")),
        sparsity_max=_share(query.get("sparsity_max")),
    )


def _share(text: str | None) -> float | None:
    if not text or not text.strip():
        return None
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise HTTPException(400, "A sparsity is a number from 0 to 1.")
    return share
