"""Every route of the API, and what each asks first."""

from __future__ import annotations

from functools import lru_cache

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from api import health
from api.access import policies
from api.access import routes as keys
from api.catalogue import routes as catalogue
from api.fleet import routes as fleet
from api.jobs import routes as jobs
from api.observing import routes as metrics
from api.pages import compare as compare_page
from api.pages import compare_tickets, job_pages, sign_in, stretch, ticket_list, training, upload
from api.pages import fleet as fleet_page
from api.pages import plan as plan_page
from api.pages import studies as study_pages
from api.pages import ticket as ticket_page
from api.plans import routes as plans
from api.runs import routes as runs
from api.studies import archive as study_archives
from api.studies import routes as studies
from api.tickets import anatomy, files, masks
from api.tickets import routes as tickets
from api.uploads import routes as uploads

LARGEST_BODY = 1 << 20
"""Bytes of a request that is no upload."""


@lru_cache
def every_route(largest_upload: int) -> tuple[BaseRoute, ...]:
    """The routes, of which those that take uploads take so many bytes.

    The applications of a process share them: FastAPI takes a tenth of a second to work out what they depend on.
    """
    router = APIRouter(
        generate_unique_id_function=operation_id,
        max_body_size=LARGEST_BODY,
        dependencies=[Depends(policies.enforce)],
    )
    router.include_router(tickets.router, max_body_size=largest_upload + tickets.FORM_OVERHEAD)
    router.include_router(upload.router, max_body_size=largest_upload + tickets.FORM_OVERHEAD)
    router.include_router(study_archives.router, max_body_size=largest_upload)
    resources = (files, uploads, anatomy, masks, jobs, runs, studies, plans)
    of_all = (catalogue, fleet, metrics, keys, health)
    of_tickets = (ticket_list, ticket_page, compare_tickets, stretch, training)
    of_work = (job_pages, study_pages, compare_page, plan_page, fleet_page, sign_in)
    for part in (*resources, *of_all, *of_tickets, *of_work):
        router.include_router(part.router)
    return tuple(router.routes)


def operation_id(route: APIRoute) -> str:
    """What the OpenAPI document, and so clients, call a route."""
    return route.name
