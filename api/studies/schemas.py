"""Studies as the API takes and shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.studies import examples
from api.studies.reproduction import ReproductionBody
from core.catalog import studies
from core.catalog.tables import Study
from core.studies.estimate import Estimate
from core.studies.expansion import Expansion
from core.studies.report import COLUMNS, Filled, table
from core.studies.spec import StudySpec


def _nothing_is_required(schema: dict[str, Any]) -> None:
    # A recipe states what is left out; without one, what is missing is said when it is asked for.
    schema.pop("required", None)


class StudyRequest(StudySpec):
    """What to compare: a recipe by name, with fields that differ from it, or every field."""

    model_config = ConfigDict(json_schema_extra=_nothing_is_required)


class StudyJobBody(BaseModel):
    """A job of a study."""

    key: str = Field(description="what it is for: network, level, method, kind and seeds")
    kind: str
    state: str = Field(description="the job's state; `waiting` for others, or `blocked` by one that failed")
    job: str | None = Field(
        default=None, description="the job, once it was asked for; maybe an earlier, identical one"
    )
    fraction: float = Field(description="how far it is")
    needs: list[str] = Field(description="the keys of the jobs whose tickets it takes")
    error: dict[str, Any] | None = None


class StudySummary(BaseModel):
    """A set of jobs whose results form a table."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.STUDY]})

    id: str
    spec: dict[str, Any] = Field(description="what was asked, completely")
    created_at: datetime
    finished_at: datetime | None = Field(
        default=None, description="when nothing was left to do; failed cells do not stop the others"
    )
    links: dict[str, str]

    @classmethod
    def fields(cls, study: Study) -> dict[str, Any]:
        """A row's values."""
        here = f"/studies/{study.id}"
        links = {"self": here, "table": f"{here}/table", "archive": f"{here}/archive"}
        if study.finished_at is None:
            links["cancel"] = f"{here}/cancel"
        shown = {name: getattr(study, name) for name in ("id", "spec", "created_at", "finished_at")}
        return shown | {"links": links}

    @classmethod
    def of(cls, study: Study) -> StudySummary:
        """A row as a list shows it."""
        return cls(**cls.fields(study))


class StudyBody(StudySummary):
    """A study with its jobs."""

    counts: dict[str, int] = Field(description="its jobs, by state")
    jobs: list[StudyJobBody]
    reproduction: ReproductionBody | None = Field(
        default=None, description="of an imported study: how far it has come out as in its archive"
    )

    @classmethod
    def of(cls, study: Study) -> StudyBody:
        """A row, with the rows that belong to it."""
        states = studies.standings(study)
        return cls(
            **cls.fields(study),
            counts=dict(Counter(states.values())),
            jobs=[
                StudyJobBody(
                    key=row.key,
                    kind=row.kind,
                    state=states[row.key],
                    job=row.job_id,
                    fraction=studies.fraction(row),
                    needs=list(studies.node(row).needs),
                    error=row.error or (row.job.error if row.job else None),
                )
                for row in study.jobs
            ],
        )


class PlannedJob(BaseModel):
    """A job that a study would ask for."""

    key: str
    kind: str
    trainings: float = Field(description="that it would do itself, each counted whole")
    steps: int = Field(description="optimiser steps that it would take")
    device_seconds: float | None = Field(default=None, description="that it would take; null where not known")
    done: str | None = Field(
        default=None, description="the identical job that has finished: it costs nothing"
    )


class PlannedStudy(BaseModel):
    """What a study would ask for, and what that would take."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PLAN]})

    jobs: dict[str, int] = Field(description="jobs by kind")
    keys: list[str]
    cells: int = Field(description="rows of its table")
    planned: list[PlannedJob] = Field(description="every job, after those that it needs")
    trainings: float = Field(description="that are yet to be done, each once")
    device_seconds: float | None = Field(
        default=None, description="of all jobs; null where it is not known of one"
    )
    assumptions: list[str] = Field(description="what the seconds were worked out from")

    @classmethod
    def of(cls, expansion: Expansion, found: Estimate, done: Mapping[str, str]) -> PlannedStudy:
        """An estimate of what a study expands to; `done` jobs by key."""
        return cls(
            jobs=dict(Counter(job.kind for job in found.jobs)),
            keys=list(expansion.nodes),
            cells=len(expansion.cells),
            planned=[PlannedJob(**{**vars(job), "done": done.get(job.key)}) for job in found.jobs],
            trainings=found.trainings,
            device_seconds=found.device_seconds,
            assumptions=list(found.assumptions),
        )


class Replicate(BaseModel):
    """One trained network of a cell."""

    seed: int
    accuracy: float
    sparsity: float


class CellBody(BaseModel):
    """A row of the table, as numbers."""

    network: str
    level: int
    arm: str
    source: str | None = Field(default=None, description="whose ticket was stretched")
    replicates: list[Replicate]
    complete: bool
    trainings: float = Field(description="per seed, this cell's own")
    seconds: float = Field(description="of its trainings, per seed; what another job did counts in full")
    shared_trainings: float = Field(description="per seed, done once for several cells")
    shared_seconds: float
    jobs: list[str] = Field(description="keys of the jobs that trained it")

    @classmethod
    def of(cls, found: Filled) -> CellBody:
        """A cell."""
        cell = found.cell
        same = ("complete", "trainings", "seconds", "shared_trainings", "shared_seconds")
        return cls(
            network=cell.target,
            level=cell.level,
            arm=cell.arm,
            source=cell.source,
            replicates=[Replicate(**vars(trial)) for trial in found.trials],
            jobs=list(cell.trained),
            **{name: getattr(found, name) for name in same},
        )


class TableBody(BaseModel):
    """A study's table: as text, and the numbers behind it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TABLE]})

    columns: list[str]
    rows: list[list[str]]
    cells: list[CellBody]

    @classmethod
    def of(cls, cells: list[Filled]) -> TableBody:
        """The table of these cells."""
        rows = [list(row) for row in table(cells).rows]
        return cls(columns=list(COLUMNS), rows=rows, cells=[CellBody.of(cell) for cell in cells])
