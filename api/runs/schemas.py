"""Compared trainings as the API shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.jobs.schemas import RunSummary
from api.runs import examples
from api.runs.comparison import GROUPS, Compared, Trained
from core.studies.figures import Chart


class ComparedRun(RunSummary):
    """One training, and where it ended."""

    name: str = Field(description="what its curves are called")
    job: str
    accuracy: float | None = Field(default=None, description="on the test images after the last step")
    best_accuracy: float | None = Field(default=None, description="at the best epoch: test-selected")
    best_epoch: int | None = None
    test_loss: float | None = Field(default=None, description="after the last step")

    @classmethod
    def named(cls, name: str, one: Trained) -> ComparedRun:
        """A training."""
        last, best = one.last, one.best
        return cls(
            **RunSummary.of(one.run).model_dump(),
            name=name,
            job=one.run.job_id,
            accuracy=last.correct / last.total if last else None,
            best_accuracy=best.correct / best.total if best else None,
            best_epoch=best.epoch if best else None,
            test_loss=last.loss if last else None,
        )


class DifferenceBody(BaseModel):
    """A field that is not the same in all trainings."""

    model_config = ConfigDict(from_attributes=True)

    group: str = Field(description=f"where it stands: {', '.join(GROUPS)}")
    field: str = Field(description="dotted, where it is nested")
    values: list[Any] = Field(description="one for each training; null where one has no such field")


class ComparisonBody(BaseModel):
    """Trainings side by side."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.COMPARED]})

    runs: list[ComparedRun]
    differing: list[DifferenceBody]
    common: dict[str, dict[str, Any]] = Field(description="what is the same in all, by group and field")
    figures: list[Chart] = Field(description="test accuracy, training loss and test loss by epoch")

    @classmethod
    def of(cls, found: Compared) -> ComparisonBody:
        """An answer."""
        common: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
        for (group, field), value in found.common.items():
            common[group][field] = value
        return cls(
            runs=[ComparedRun.named(name, one) for name, one in found.trainings],
            differing=[DifferenceBody.model_validate(one) for one in found.differing],
            common=common,
            figures=list(found.figures),
        )
