"""The routes of the fleet: what works here, and whether a worker takes jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from api.access.policies import administers, reads
from api.dependencies import DatabaseDep
from api.fleet.schemas import FleetBody, PoolBody, PoolChange
from api.problems import INVALID_REQUEST, NOT_FOUND, NOT_JSON, TOO_LARGE, documented, not_found
from api.queries import OnlyDocumented
from core.catalog import pools
from core.catalog.fleet import fleet, pool_of
from core.catalog.jobs import clock
from core.catalog.scope import DEFAULT

router = APIRouter(tags=["health"], dependencies=[reads, OnlyDocumented])

PoolPath = Annotated[
    str, Path(max_length=255, description="a worker's name, as /fleet has it", examples=["gpu-1:4702"])
]


@router.get("/fleet")
def show_fleet(database: DatabaseDep) -> FleetBody:
    """Show the workers, what they do, how long the queue is, what ended hour by hour and what it took day by day."""
    with database.read() as session:
        return FleetBody.model_validate(fleet(session))


@router.patch(
    "/fleet/pools/{pool}",
    dependencies=[administers],
    responses=documented(NOT_FOUND, INVALID_REQUEST, NOT_JSON, TOO_LARGE),
)
def change_pool(pool: PoolPath, change: PoolChange, database: DatabaseDep) -> PoolBody:
    """Drain a worker: it takes no more jobs, and finishes those that it has, or gives them back; or end that.

    Workers are the installation's: an administrator of the project `default` drains them, and no other.
    """
    if database.project != DEFAULT:
        raise not_found("worker", pool)
    with database.everywhere().write("drain") as session:
        row = pools.drain(session, pool, drained=change.drained, at_once=change.at_once)
        if row is None:
            raise not_found("worker", pool)
        return PoolBody.model_validate(pool_of(row, pools.running(session).get(pool, 0), clock(session)))
