"""What a study asks: which tickets are stretched to what, what they compete with, and how all of it is trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from core.elastic.unit_map import Order
from core.families import architecture
from core.families.architecture import Architecture
from core.jobs.datasets import DATASETS
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import ArchitectureName, Seed
from core.studies.arms import RIVALS, Arm
from core.studies.recipes import STUDIES

Networks = Annotated[list[ArchitectureName], Field(min_length=1, max_length=16)]
DatasetNames = Annotated[list[str], Field(min_length=1, max_length=8)]
Level = Annotated[int, Field(ge=1, le=60)]


class StudySpec(BaseModel):
    """Sources × targets × datasets × levels × arms × orders × seeds; `study` names one that states what is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: str | None = Field(
        default=None, description=f"{', '.join(STUDIES)}: fields that are not given here are its own"
    )
    scale: Literal["paper", "small"] = Field(
        default="paper", description="of a study by name; small: for a CPU, on data that is always there"
    )
    datasets: DatasetNames = Field(description="targets are trained on each, as /datasets lists them")
    found_on: DatasetNames | None = Field(
        default=None,
        description="where the tickets that are stretched are found; default: on the dataset itself",
    )
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
    orders: Annotated[list[Order], Field(max_length=len(Order))] = Field(
        default=[],
        description="arms of stretched tickets that state no order: once per order that fits; "
        "default: append or drop_last",
    )
    seeds: Annotated[list[Seed], Field(min_length=1, max_length=64)] = Field(
        default=[0, 1, 2], description="replicates; ticket r is trained under seed r"
    )
    recipe: RecipeChoice = Field(
        default_factory=RecipeChoice, description="of every training; default: the family's preset"
    )
    recipes: dict[str, RecipeChoice] = Field(
        default={}, description="by dataset, what differs from `recipe` in trainings on it"
    )
    connect: bool = Field(
        default=False,
        description="train every ticket under two data orders, and measure the networks on the line between",
    )
    exact: bool = Field(default=False, description="deterministic algorithms: the same digests on every run")

    @model_validator(mode="before")
    @classmethod
    def _over_the_named(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        name, scale = given.get("study"), given.get("scale", "paper")
        if name is None:
            if scale != "paper":
                raise ValueError("scale is of a study by name: name one, or leave scale out")
            return given
        if not isinstance(name, str) or name not in STUDIES:
            raise ValueError(f"unknown study {name!r}; accepted: {', '.join(STUDIES)}")
        # What is no scale is told by the field itself.
        named = STUDIES[name].get(scale, {}) if isinstance(scale, str) else {}
        recipe = given.get("recipe", {})
        if isinstance(recipe, dict):
            # One field of a recipe may be replaced, too.
            given = given | {"recipe": named.get("recipe", {}) | recipe}
        return named | given

    @field_validator("datasets", "found_on", "recipes")
    @classmethod
    def _datasets_are_known(cls, names: Any) -> Any:
        for name in names or ():
            if name not in DATASETS:
                raise ValueError(f"unknown dataset {name!r}; accepted: {', '.join(DATASETS)}")
        return names

    @field_validator("datasets", "found_on", "sources", "targets", "levels", "orders", "seeds")
    @classmethod
    def _each_once(cls, given: list[Any] | None) -> list[Any] | None:
        if given and len(set(given)) != len(given):
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
        families = {
            self.network(name, dataset).family
            for dataset, names in (
                *((dataset, [*self.sources, *self.targets]) for dataset in self.datasets),
                *((dataset, self.sources) for dataset in self.found_on or ()),
            )
            for name in names
        }
        if len(families) > 1:
            raise ValueError(f"tickets stay in their family, and these are of {', '.join(sorted(families))}")
        return self

    @staticmethod
    def network(name: str, dataset: str) -> Architecture:
        """A network for a dataset; raises `UnknownArchitecture`, a ValueError."""
        facts = DATASETS[dataset]
        return architecture(name, facts.input, facts.classes)

    @property
    def family(self) -> str:
        """The family of all its networks."""
        return self.network(self.sources[0], self.datasets[0]).family

    def recipe_on(self, dataset: str) -> RecipeChoice:
        """How it trains on a dataset; the preset is named."""
        given = [self.recipe, self.recipes[dataset]] if dataset in self.recipes else [self.recipe]
        stated = {"preset": self.family}
        for choice in given:
            stated |= choice.model_dump(exclude_none=True)
        return RecipeChoice.model_validate(stated)
