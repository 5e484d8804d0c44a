"""Studies as the API takes and shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.studies import examples
from api.studies.reproduction import ReproductionBody
from core.catalog import studies, study_changes
from core.catalog.tables import Study
from core.studies.answer import table
from core.studies.comparison import Row
from core.studies.estimate import Estimate
from core.studies.expansion import Expansion
from core.studies.extension import Extension
from core.studies.figures import Chart, HeatMap
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
    priority: int = Field(description="of every job that it asks for")
    created_at: datetime
    finished_at: datetime | None = Field(
        default=None, description="when nothing was left to do; failed cells do not stop the others"
    )
    links: dict[str, str]

    @classmethod
    def fields(cls, study: Study) -> dict[str, Any]:
        """A row's values."""
        here = f"/studies/{study.id}"
        links = {
            "self": here,
            "table": f"{here}/table",
            "archive": f"{here}/archive",
            "extend": f"{here}/extend",
        }
        if study.finished_at is None:
            links["cancel"] = f"{here}/cancel"
        shown = {
            name: getattr(study, name) for name in ("id", "spec", "priority", "created_at", "finished_at")
        }
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
        fields = cls.fields(study)
        if study_changes.resumable(study):
            fields["links"]["resume"] = f"/studies/{study.id}/resume"
        return cls(
            **fields,
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


class ExtensionRequest(Extension):
    """What to add to a study: each list is appended to the study's own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"seeds": [3, 4]}, {"targets": ["mlp_4"]}]})


class PlannedExtension(BaseModel):
    """What an extension would ask for beside what the study has."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PLANNED_EXTENSION]})

    jobs: dict[str, int] = Field(description="jobs that would be added, by kind")
    keys: list[str]
    cells: int = Field(description="rows that would come to its table")
    gone: list[str] = Field(
        description="keys of jobs that others take the place of, with the same trainings and more"
    )


class Replicate(BaseModel):
    """One trained network of a cell."""

    seed: int
    accuracy: float = Field(description="on the test images after the last step")
    sparsity: float
    best: float | None = Field(default=None, description="at the best epoch, which is test-selected")
    best_epoch: int | None = None
    order_seed: int | None = Field(default=None, description="of the data order it was trained in")
    ticket: str | None = Field(default=None, description="the ticket it started from")
    dead: int | None = Field(
        default=None,
        description="neurons of the hidden fully connected layers that no surviving weight enters, or none leaves",
    )


class DifferenceBody(BaseModel):
    """A row's accuracy less that of the row it is held against, over the seeds that both have."""

    to: str = Field(
        description="that row's arm: IMP's own ticket, or the dense network where no row is IMP's"
    )
    mean: float = Field(description="as a share, as accuracies are")
    pairs: int
    p: float | None = Field(
        default=None,
        description="two-sided paired t-test; null for one pair, and where all differences are the same",
    )


class PublishedBody(BaseModel):
    """What the paper states of the same cell."""

    accuracy: float = Field(description="as a share")
    where: str
    assumed: str | None = Field(default=None, description="what had to be assumed to find its place")


class CellBody(BaseModel):
    """A row of the table, as numbers."""

    dataset: str
    network: str
    level: int
    arm: str
    method: str
    source: str | None = Field(default=None, description="whose ticket was stretched")
    found_on: str | None = Field(default=None, description="where that was found, if it was elsewhere")
    replicates: list[Replicate]
    complete: bool
    difference: DifferenceBody | None = None
    published: PublishedBody | None = None
    lines: list[list[tuple[float, float]]] = Field(
        default=[], description="between two trainings of a ticket: α and accuracy; a line per replicate"
    )
    barriers: list[float] = Field(
        default=[],
        description="of each line: how far accuracy falls at most below the straight line between its ends",
    )
    trainings: float = Field(description="per seed, this cell's own")
    seconds: float = Field(description="of its trainings, per seed; what another job did counts in full")
    shared_trainings: float = Field(description="per seed, done once for several cells")
    shared_seconds: float
    jobs: list[str] = Field(description="keys of the jobs that trained it")

    @classmethod
    def of(cls, row: Row) -> CellBody:
        """A row."""
        found, cell = row.found, row.found.cell
        same = ("complete", "trainings", "seconds", "shared_trainings", "shared_seconds", "barriers")
        return cls(
            network=cell.target,
            replicates=[Replicate(**vars(trial)) for trial in found.trials],
            difference=DifferenceBody(to=row.reference, **vars(row.difference))
            if row.reference and row.difference
            else None,
            published=PublishedBody(
                accuracy=row.published.accuracy / 100,
                where=row.published.where,
                assumed=row.published.assumed or None,
            )
            if row.published
            else None,
            lines=[list(line) for line in found.lines],
            jobs=list(cell.trained),
            **{name: getattr(cell, name) for name in _OF_CELL},
            **{name: getattr(found, name) for name in same},
        )


_OF_CELL = ("dataset", "level", "arm", "method", "source", "found_on")


class TableBody(BaseModel):
    """A study's table: as text, and the numbers behind it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TABLE]})

    columns: list[str] = Field(description="those that have something to show")
    rows: list[list[str]]
    notes: list[str] = Field(description="what the numbers are")
    cells: list[CellBody]

    @classmethod
    def of(cls, spec: StudySpec, rows: list[Row]) -> TableBody:
        """The table of these rows."""
        shown = table(spec, rows)
        return cls(
            columns=list(shown.columns),
            rows=[list(row) for row in shown.rows],
            notes=list(shown.notes),
            cells=[CellBody.of(row) for row in rows],
        )


class FiguresBody(BaseModel):
    """A study's figures, as data."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"figures": [examples.FIGURE]}]})

    figures: list[Chart | HeatMap]
