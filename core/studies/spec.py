"""What a study asks: which tickets are stretched to what, what they compete with, and how all of it is trained."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from core.elastic.unit_map import Order
from core.families import architecture
from core.families.architecture import Architecture
from core.jobs.datasets import DATASETS
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import ArchitectureName, Seed
from core.studies.arms import RIVALS, Arm

Networks = Annotated[list[ArchitectureName], Field(min_length=1, max_length=16)]
Level = Annotated[int, Field(ge=1, le=60)]


RECIPES: dict[str, dict[str, Any]] = {
    "rivals": {"sources": ["mlp_2"], "targets": ["mlp_3"]},
    "elth_fc": {
        "sources": ["mlp_2", "mlp_3", "mlp_4"],
        "targets": ["mlp_2", "mlp_3", "mlp_4"],
        "arms": [arm.model_dump() for arm in RIVALS if arm.name in ("ETT", "IMP", "random", "dense")],
        "dataset": "mnist",
    },
}
"""Studies by name: the fields that they state; any may be replaced."""


class StudySpec(BaseModel):
    """Sources × targets × levels × arms × seeds on one dataset; `study` names a recipe that states fields left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: str | None = Field(
        default=None, description=f"{', '.join(RECIPES)}: fields that are not given here are the recipe's"
    )
    dataset: str = Field(description="dataset to find tickets and train on, as /datasets lists them")
    sources: Networks = Field(description="networks whose tickets are stretched; rivals follow the first's")
    targets: Networks = Field(
        description="networks that they are stretched or squeezed to, of the same family"
    )
    levels: Annotated[list[Level], Field(min_length=1, max_length=16)] = Field(
        default=[10], description="IMP levels of the tickets"
    )
    arms: Annotated[list[Arm], Field(min_length=1, max_length=64)] = Field(
        default=list(RIVALS), description="the rows of every target's table"
    )
    order: Order | None = Field(
        default=None, description="how units are mapped; default: append or drop_last"
    )
    seeds: Annotated[list[Seed], Field(min_length=1, max_length=64)] = Field(
        default=[0, 1, 2], description="replicates; ticket r is trained under seed r"
    )
    recipe: RecipeChoice = Field(
        default_factory=RecipeChoice, description="of every training; default: the family's preset"
    )
    exact: bool = Field(default=False, description="deterministic algorithms: the same digests on every run")

    @model_validator(mode="before")
    @classmethod
    def _over_the_recipe(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("study") is None:
            return given
        if given["study"] not in RECIPES:
            raise ValueError(f"unknown study {given['study']!r}; accepted: {', '.join(RECIPES)}")
        return RECIPES[given["study"]] | given

    @field_validator("dataset")
    @classmethod
    def _dataset_is_known(cls, name: str) -> str:
        if name not in DATASETS:
            raise ValueError(f"unknown dataset {name!r}; accepted: {', '.join(DATASETS)}")
        return name

    @field_validator("sources", "targets", "levels", "seeds")
    @classmethod
    def _each_once(cls, given: list[Any]) -> list[Any]:
        if len(set(given)) != len(given):
            raise ValueError("each may be given once")
        return given

    @field_validator("arms")
    @classmethod
    def _names_differ(cls, arms: list[Arm]) -> list[Arm]:
        names = [arm.name for arm in arms]
        if len(set(names)) != len(names):
            raise ValueError("two arms have one name")
        return arms

    @model_validator(mode="after")
    def _one_family(self) -> Self:
        families = {self.network(name).family for name in [*self.sources, *self.targets]}
        if len(families) > 1:
            raise ValueError(f"tickets stay in their family, and these are of {', '.join(sorted(families))}")
        return self

    def network(self, name: str) -> Architecture:
        """One of its networks for its dataset; raises `UnknownArchitecture`, a ValueError."""
        facts = DATASETS[self.dataset]
        return architecture(name, facts.input, facts.classes)

    @property
    def family(self) -> str:
        """The family of all its networks."""
        return self.network(self.sources[0]).family
