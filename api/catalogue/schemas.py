"""What this installation can do, as the API shows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.catalogue import examples
from core.catalog.architectures import Size
from core.elastic.anatomy import Stage
from core.families import Family
from core.families.architecture import Architecture
from core.jobs.datasets import DatasetFacts
from core.jobs.methods import Method
from core.jobs.recipes import PRESETS, Recipe


class SizeBody(BaseModel):
    """What a posted family is known for; zeros where input or classes mean nothing."""

    input: list[int] = Field(description="[C, H, W]")
    classes: int


class FamilyBody(BaseModel):
    """A family of architectures, built-in or posted, and the recipe preset that bears its name."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.MLP]})

    name: str
    pattern: str
    limits: str
    summary: str
    examples: list[str]
    recipe: Recipe | None = Field(
        description="the preset of this name: how its members are trained by default; null for a posted family"
    )
    posted: list[SizeBody] = Field(
        default=[],
        description="the inputs and classes that the family is posted for; none for a built-in one",
    )

    @classmethod
    def of(cls, family: Family) -> FamilyBody:
        """A built-in family."""
        return cls(
            name=family.name,
            pattern=family.pattern,
            limits=family.limits,
            summary=family.summary,
            examples=list(family.examples),
            recipe=PRESETS[family.name],
        )

    @classmethod
    def of_posted(cls, name: str, sizes: Sequence[Size]) -> FamilyBody:
        """A posted family."""
        return cls(
            name=name,
            pattern=f"{name}[:ENTRIES]",
            limits="ENTRIES: how many each stage has, fixed ones counted, joined by -; the example's own if not given",
            summary="Posted as data: it can be transformed, not trained.",
            examples=[name],
            recipe=None,
            posted=[SizeBody(input=list(size.input), classes=size.classes) for size in sizes],
        )


class TensorBody(BaseModel):
    """One entry of a network's state dict."""

    name: str
    shape: list[int]
    size: int
    role: str
    prunable: bool


class EntryBody(BaseModel):
    """One position of a stage: local names, and the tensors they stand for."""

    fixed: bool = Field(description="never replicated, never dropped")
    tensors: dict[str, str]


class StageBody(BaseModel):
    """An ordered run of entries."""

    name: str
    units: list[int] = Field(description="positions of the interchangeable entries")
    entries: list[EntryBody]

    @classmethod
    def of(cls, stage: Stage) -> StageBody:
        """A stage."""
        entries = [EntryBody(fixed=entry.fixed, tensors=dict(entry.tensors)) for entry in stage.entries]
        return cls(name=stage.name, units=list(stage.units), entries=entries)


class ArchitectureBody(BaseModel):
    """A concrete network."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.MLP_1]})

    name: str
    family: str
    dataset: str | None = Field(
        default=None, description="the dataset whose input and classes were asked for"
    )
    input: list[int] = Field(description="[C, H, W]; zeros where it means nothing")
    classes: int
    prunable: int = Field(description="prunable weights: the denominator of every sparsity")
    parameters: int = Field(description="values in all tensors, buffers included")
    tensors: list[TensorBody]
    stages: list[StageBody]
    stem: list[str] = Field(description="tensors whose shapes follow the input")
    head: list[str] = Field(description="tensors whose shapes follow the classes")
    definition: dict[str, Any] | None = Field(
        default=None, description="what was posted of its family, in canonical form; null for a built-in one"
    )

    @classmethod
    def of(cls, network: Architecture, dataset: str | None = None) -> ArchitectureBody:
        """A network."""
        return cls(
            name=network.name,
            family=network.family,
            dataset=dataset,
            input=list(network.input),
            classes=network.classes,
            prunable=network.prunable_weights,
            parameters=sum(spec.size for spec in network.tensors),
            tensors=[
                TensorBody(
                    name=spec.name,
                    shape=list(spec.shape),
                    size=spec.size,
                    role=spec.role,
                    prunable=spec.prunable,
                )
                for spec in network.tensors
            ],
            stages=[StageBody.of(stage) for stage in network.anatomy.stages],
            stem=sorted(network.stem),
            head=sorted(network.head),
            definition=json.loads(network.definition) if network.definition else None,
        )


class DatasetBody(BaseModel):
    """What is known of a dataset without opening it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DIGITS]})

    name: str
    title: str
    input: list[int] = Field(description="[C, H, W]")
    classes: int
    train: int = Field(description="training images")
    test: int = Field(description="test images")
    augmented: bool = Field(description="training images may be cropped and flipped")
    files: list[list[str]] = Field(description="the accepted sets of files, each complete in itself")
    sources: list[str] = Field(description="where the first set is downloaded from")

    @classmethod
    def of(cls, facts: DatasetFacts) -> DatasetBody:
        """A dataset."""
        same = ("name", "title", "classes", "train", "test", "augmented")
        return cls(
            **{name: getattr(facts, name) for name in same},
            input=list(facts.input),
            files=[list(layout) for layout in facts.layouts],
            sources=[source.url for source in facts.sources],
        )


class MethodBody(BaseModel):
    """A way to find a mask."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.IMP]})

    name: str
    title: str
    source: str
    parameters: dict[str, Any] = Field(description="JSON Schema of its parameters")
    defaults: dict[str, Any] = Field(description="the parameters that may be left out")
    request: Literal["find", "train"] = Field(
        description="find: POST /find {method, parameters}; train: POST /train {sparsity_schedule}"
    )
    cost: str = Field(description="what it spends per seed before there is a ticket; a train method: in all")
    trainings: float = Field(description="trainings per seed, at the defaults")

    @classmethod
    def of(cls, method: Method) -> MethodBody:
        """A method."""
        defaults = method.parameters.model_construct()
        return cls(
            name=method.name,
            title=method.title,
            source=method.source,
            parameters=method.parameters.model_json_schema(),
            defaults=dict(defaults),
            request=method.request,
            cost=method.cost,
            trainings=method.trainings(defaults),
        )
