"""What the plan route and the plan page do."""

from __future__ import annotations

from api.plans.schemas import PlanBody, PlanRequest
from core.catalog.database import Database
from core.catalog.paces import paces
from core.settings import Settings
from core.studies.plans import plans


def plan(database: Database, settings: Settings, asked: PlanRequest) -> PlanBody:
    """Every way's cost, by what was given or measured here."""
    with database.read() as session:
        known = paces(session, settings.trainer_threads)
    return PlanBody.of(plans(asked.asked, known), asked)
