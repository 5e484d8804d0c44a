"""The route of trainings, whatever jobs they are of."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.access.policies import reads
from api.dependencies import DatabaseDep
from api.problems import INVALID_REQUEST, NOT_FOUND, documented
from api.queries import OnlyDocumented
from api.runs import service
from api.runs.schemas import ComparisonBody

router = APIRouter(tags=["jobs"], dependencies=[reads, OnlyDocumented])


@router.get("/runs", responses=documented(NOT_FOUND, INVALID_REQUEST))
def compare_runs(
    database: DatabaseDep,
    run: Annotated[
        list[str],
        Query(
            min_length=1,
            max_length=service.MOST,
            description="a training, JOB:NUMBER; may be repeated",
            examples=[f"{'4b1d' * 8}:0"],
        ),
    ],
) -> ComparisonBody:
    """Compare trainings of finished jobs: what they differ in, where they ended, and their curves by epoch."""
    return ComparisonBody.of(service.compared(database, run))
