"""The route of plans."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body

from api.access.policies import reads
from api.dependencies import DatabaseDep, SettingsDep
from api.plans import examples, service
from api.plans.schemas import PlanBody, PlanRequest
from api.problems import INVALID_REQUEST, NOT_JSON, TOO_LARGE, documented
from api.queries import OnlyDocumented

router = APIRouter(tags=["studies"], dependencies=[reads, OnlyDocumented])

_REQUESTS = {
    "imagenet": {"summary": "E-LTH's appendix B, priced", "value": examples.ASKED},
    "digits": {"summary": "By what was measured here", "value": examples.MEASURED},
}


@router.post("/plans", responses=documented(INVALID_REQUEST, NOT_JSON, TOO_LARGE))
def make_plan(
    asked: Annotated[PlanRequest, Body(openapi_examples=_REQUESTS)],
    database: DatabaseDep,
    settings: SettingsDep,
) -> PlanBody:
    """Plan: trainings, hours and money for sparse networks, by each method and from each source. Nothing is made.

    Hours of one training are those that are given, else those that this installation measured, else worked out from
    operations; the assumptions say which.
    """
    return service.plan(database, settings, asked)
