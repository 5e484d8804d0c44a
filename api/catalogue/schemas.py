"""What this installation can do, as the API shows it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from core.families import Family
from core.families.architecture import Architecture
from core.jobs.datasets import DatasetFacts
from core.jobs.methods import Method
from core.jobs.recipes import PRESETS, Recipe

_MLP: dict[str, Any] = {
    "name": "mlp",
    "pattern": "mlp_N",
    "limits": "N from 1 to 1000; lenet_300_100 is mlp_1",
    "summary": "Multilayer perceptron: N hidden layers of 300, one of 100. Units: the layers 300 → 300.",
    "examples": ["mlp_2", "mlp_3", "mlp_4"],
    "recipe": PRESETS["mlp"].model_dump(mode="json"),
}
_DIGITS: dict[str, Any] = {
    "name": "digits",
    "title": "Optical handwritten digits, bundled with scikit-learn",
    "input": [1, 8, 8],
    "classes": 10,
    "train": 1437,
    "test": 360,
    "augmented": False,
    "files": [],
    "sources": [],
}
_IMP: dict[str, Any] = {
    "name": "imp",
    "title": "Iterative magnitude pruning with rewinding",
    "source": "E-LTH, section 2",
    "parameters": {"type": "object", "properties": {"level": {"type": "integer", "default": 10}}},
    "defaults": {"level": 10, "fraction": 0.2},
    "trainings": 10,
}
_MLP_1: dict[str, Any] = {
    "name": "mlp_1",
    "family": "mlp",
    "dataset": "digits",
    "input": [1, 8, 8],
    "classes": 10,
    "prunable": 50200,
    "parameters": 50610,
    "tensors": [
        {"name": "fc_layers.0.weight", "shape": [300, 64], "size": 19200, "role": "weight", "prunable": True}
    ],
    "stages": [
        {
            "name": "hidden",
            "units": [],
            "entries": [
                {"fixed": True, "tensors": {"weight": "fc_layers.0.weight", "bias": "fc_layers.0.bias"}}
            ],
        }
    ],
    "stem": ["fc_layers.0.bias", "fc_layers.0.weight"],
    "head": ["fc.bias", "fc.weight"],
}


class FamilyBody(BaseModel):
    """A family of architectures, and the recipe preset that bears its name."""

    model_config = ConfigDict(json_schema_extra={"examples": [_MLP]})

    name: str
    pattern: str
    limits: str
    summary: str
    examples: list[str]
    recipe: Recipe = Field(description="the preset of this name: how its members are trained by default")

    @classmethod
    def of(cls, family: Family) -> FamilyBody:
        """A family."""
        return cls(
            name=family.name,
            pattern=family.pattern,
            limits=family.limits,
            summary=family.summary,
            examples=list(family.examples),
            recipe=PRESETS[family.name],
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


class ArchitectureBody(BaseModel):
    """A concrete network for a dataset's input and classes."""

    model_config = ConfigDict(json_schema_extra={"examples": [_MLP_1]})

    name: str
    family: str
    dataset: str
    input: list[int]
    classes: int
    prunable: int = Field(description="prunable weights: the denominator of every sparsity")
    parameters: int = Field(description="values in all tensors, buffers included")
    tensors: list[TensorBody]
    stages: list[StageBody]
    stem: list[str] = Field(description="tensors whose shapes follow the input")
    head: list[str] = Field(description="tensors whose shapes follow the classes")

    @classmethod
    def of(cls, network: Architecture, dataset: str) -> ArchitectureBody:
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
            stages=[
                StageBody(
                    name=stage.name,
                    units=list(stage.units),
                    entries=[EntryBody(fixed=e.fixed, tensors=dict(e.tensors)) for e in stage.entries],
                )
                for stage in network.anatomy.stages
            ],
            stem=sorted(network.stem),
            head=sorted(network.head),
        )


class DatasetBody(BaseModel):
    """What is known of a dataset without opening it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DIGITS]})

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

    model_config = ConfigDict(json_schema_extra={"examples": [_IMP]})

    name: str
    title: str
    source: str
    parameters: dict[str, Any] = Field(description="JSON Schema of its parameters")
    defaults: dict[str, Any] = Field(description="the parameters that may be left out")
    trainings: int = Field(description="trainings per seed, at the defaults")

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
            trainings=method.trainings(defaults),
        )
