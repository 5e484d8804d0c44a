"""What a transformation would do, as the API shows it before anything is done."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from api.jobs import examples


class Network(BaseModel):
    """A network by name, with the images and classes it takes."""

    architecture: str
    input: list[int] = Field(description="[C, H, W]")
    classes: int


class PlannedEntry(BaseModel):
    """One position of a target stage, and the source position that it is made of; fixed entries are counted."""

    target: int
    source: int
    fixed: bool = Field(description="never replicated, never dropped")
    copy_: bool = Field(alias="copy", description="a second or later copy of its source")

    model_config = ConfigDict(populate_by_name=True)


class PlannedStage(BaseModel):
    """A target stage, and the units of the source that are not carried."""

    name: str
    entries: list[PlannedEntry]
    dropped: list[int] = Field(description="source positions that the target leaves out")


class PlannedLayer(BaseModel):
    """One prunable tensor of the target, counted exactly."""

    tensor: str
    source: str | None = Field(description="the source's tensor; null where it is drawn afresh")
    size: int
    survivors: int
    sparsity: float


class Totals(BaseModel):
    """A ticket's figures."""

    prunable: int
    survivors: int
    sparsity: float = Field(description="pruned / all prunable weights")
    level: int | None = Field(description="nominal IMP level")


class TicketPlan(BaseModel):
    """What one ticket would become."""

    ticket: str
    source: Network
    target: Network
    hops: list[str] = Field(description="the architectures passed through, the target last")
    unit_map: str = Field(description="the whole way as one explicit map, source:targets, stages joined by |")
    stages: list[PlannedStage]
    fixed: list[str] = Field(description="tensors that belong to no unit and are copied as they are")
    fresh: list[str] = Field(description="tensors that are drawn afresh, and are dense")
    layers: list[PlannedLayer]
    before: Totals
    after: Totals
    rewind_step: int = Field(description="where the new ticket would restart")
    warnings: list[str]


class TransformPlan(BaseModel):
    """What a transformation would do; nothing has been done."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PLAN]})

    tickets: list[TicketPlan]
