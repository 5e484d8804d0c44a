"""What is added to a study later: cells to its table, replicates to its cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.elastic.unit_map import Order
from core.jobs.specs import ArchitectureName, Seed
from core.studies.arms import Arm
from core.studies.spec import Level, StudySpec


class Extension(BaseModel):
    """Lists to append to those of a study; what holds for a study holds for what comes of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datasets: list[str] = Field(default=[], description="to train the targets on")
    sources: list[ArchitectureName] = Field(default=[], description="networks whose tickets are stretched")
    targets: list[ArchitectureName] = Field(default=[], description="networks that they are stretched to")
    levels: list[Level] = Field(default=[], description="IMP levels of the tickets")
    arms: list[Arm] = Field(default=[], description="rows of every target's table")
    orders: list[Order] = Field(default=[], description="how units are mapped")
    seeds: list[Seed] = Field(default=[], description="replicates")

    @model_validator(mode="after")
    def _adds_something(self) -> Self:
        if not any(getattr(self, name) for name in Extension.model_fields):
            raise ValueError(f"nothing is added; accepted: {', '.join(Extension.model_fields)}")
        return self

    def known(self, spec: StudySpec) -> Iterator[tuple[str, int, str]]:
        """What a study has already: the list, the place in it, and the name."""
        for name in Extension.model_fields:
            had = [_named(item) for item in getattr(spec, name)]
            for place, item in enumerate(getattr(self, name)):
                if _named(item) in had:
                    yield name, place, _named(item)

    def over(self, spec: StudySpec) -> StudySpec:
        """The longer spec; raises `ValidationError` where it is none."""
        more = self.model_dump(mode="json")
        had: dict[str, Any] = spec.model_dump(mode="json")
        return StudySpec.model_validate(had | {name: had[name] + more[name] for name in more})


def _named(item: Any) -> str:
    return item.name if isinstance(item, Arm) else str(item)
