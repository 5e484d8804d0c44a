"""The pages of jobs: the list at `/`, what is done to several of them at once, and one job."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.responses import Response

from api.access.policies import reads, writes
from api.dependencies import DatabaseDep, JobPath, SettingsDep
from api.jobs import service as job_service
from api.jobs.schemas import Kind, barrier, device_seconds
from api.pages import jobs as job_views
from api.pages import latencies, results, specs, speeds
from api.pages import tickets as ticket_views
from api.pages.again import again
from api.pages.batch import Batch, apply
from api.pages.found import found
from api.pages.negotiation import prefers_html
from api.pages.paging import cursor, link, same_list
from api.pages.rendering import base_url, render
from core.catalog import attempts, deletion, jobs, queue, search, studies, tickets
from core.catalog.queue import HIGHEST, LOWEST
from core.catalog.search import JobFilter, Order
from core.jobs.datasets import DATASETS
from core.jobs.states import State

router = APIRouter(include_in_schema=False, dependencies=[reads])


@router.get("/")
@router.get("/ui/jobs")
def jobs_page(
    request: Request,
    database: DatabaseDep,
    state: State | None = None,
    kind: Kind | None = None,
    dataset: str = "",
    architecture: str = "",
    q: str = "",
    order: Order = "newest",
    after: str | None = None,
) -> HTMLResponse:
    """Jobs: those at work, the queue in its order, and those that have ended."""
    query = request.query_params
    kinds = [kind] if kind else []
    wanted = JobFilter([state] if state else [], kinds, dataset.strip(), architecture.strip(), q.strip())
    with database.read() as session:
        rows = found(session, wanted, cursor(after), order)
        at = jobs.clock(session)
        known = specs.networks(session, [*rows.going, *rows.gone])
        places = queue.positions(session) if any(job.state == State.QUEUED for job in rows.going) else {}
        devices = attempts.devices(session, rows.going)
        return render(
            "jobs.html",
            active=[job_views.view(job, known, at, places, devices) for job in rows.going],
            ended=[job_views.view(job, known, at) for job in rows.gone],
            more_active=rows.more,
            **_choices(query, wanted, order),
            state=state,
            kind=kind,
            wanted=wanted,
            query=str(query),
            first=link(query, "/") if after else None,
            next=link(query, "/", after=rows.next.encode()) if rows.next else None,
            order=order,
            scan=search.SCAN,
            ahead=queue.AHEAD,
            lowest=LOWEST,
            highest=HIGHEST,
            curl=ticket_views.first_job(base_url(request)),
        )


def _choices(query: Any, wanted: JobFilter, order: Order) -> dict[str, Any]:
    """The filters on offer, each with the address that it leads to."""
    given = {"q": wanted.text, "dataset": wanted.dataset, "architecture": wanted.architecture}
    return {
        "states": [(one.value, link(query, "/", state=one.value), one in wanted.states) for one in State],
        "kinds": [(one, link(query, "/", kind=one), one in wanted.kinds) for one in get_args(Kind)],
        "orders": [(one, link(query, "/", order=one), one == order) for one in get_args(Order)],
        "every_state": link(query, "/", state=None),
        "every_kind": link(query, "/", kind=None),
        "datasets": list(DATASETS),
        "filters": [
            (name, value, link(query, "/", **{name: None})) for name, value in given.items() if value
        ],
        "filtered": bool(wanted.states or wanted.conditions),
    }


@router.post("/ui/jobs/batch", dependencies=[writes])
def steer_several(
    request: Request, database: DatabaseDep, settings: SettingsDep, asked: Annotated[Batch, Form()]
) -> Response:
    """Cancel, retry or prioritise the jobs that were selected; back to the list they were selected in."""
    said = apply(database, settings, asked)
    if prefers_html(request.headers.get("accept", "*/*")):
        target = f"/ui/jobs/{asked.job[0]}" if asked.to == "job" else same_list(asked.back, "/")
        return RedirectResponse(target, 303)
    return JSONResponse({"detail": said})


@router.get("/ui/jobs/{job_id}")
def job_page(request: Request, database: DatabaseDep, job_id: JobPath) -> HTMLResponse:
    """One job: what was asked, how it goes, what came out."""
    with database.read() as session:
        job = job_service.existing(session, job_id)
        at = jobs.clock(session)
        known = specs.networks(session, [job])
        over_orders = bool(job.spec.get("order_seeds"))
        rows = results.measured(job, known)
        outputs = {
            row.ticket_id: tickets.get(session, row.ticket_id) or deletion.tombstone(session, row.ticket_id)
            for row in job.outputs
        }
        places = queue.positions(session) if job.state == State.QUEUED else {}
        return render(
            "job.html",
            job=job_views.view(job, known, at, places, attempts.devices(session, [job])),
            error=job.error,
            retry_of=job.retry_of,
            at=at,
            terms=specs.terms(job.spec, known),
            recipe=specs.recipe(job.spec),
            attempts=[(row, (row.ended_at or at) - row.started_at) for row in job.attempts],
            asked_by=[(row.study_id, row.key) for row in studies.asking_for(session, job_id)],
            again=again(job, base_url(request)),
            fraction=(job.spec.get("parameters") or {}).get("fraction"),
            ahead=queue.AHEAD,
            lowest=LOWEST,
            highest=HIGHEST,
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
