"""The route of the fleet."""

from __future__ import annotations

from fastapi import APIRouter

from api.access.policies import reads
from api.dependencies import DatabaseDep
from api.fleet.schemas import FleetBody
from api.queries import OnlyDocumented
from core.catalog.fleet import fleet

router = APIRouter(tags=["health"], dependencies=[reads, OnlyDocumented])


@router.get("/fleet")
def show_fleet(database: DatabaseDep) -> FleetBody:
    """Show the workers, what they do, how long the queue is, what ended hour by hour and what it took day by day."""
    with database.read() as session:
        return FleetBody.model_validate(fleet(session))
