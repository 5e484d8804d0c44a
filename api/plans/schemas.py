"""Plans as the API takes and shows them."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from api.plans import examples
from core.jobs.datasets import DATASETS
from core.jobs.recipes import RecipeChoice, steps, steps_per_epoch
from core.jobs.specs import ArchitectureName
from core.studies.arms import DENSE, IMP
from core.studies.plans import ELTH, LONGER, WAYS, Asked, Plan, Plans, Share
from core.studies.spec import StudySpec

Networks = Annotated[list[ArchitectureName], Field(max_length=16)]
Hours = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]


class PlanRequest(BaseModel):
    """A sparse network for each target: what would it cost, by which method?"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str = Field(description="dataset to find tickets and train on, as /datasets lists them")
    targets: Annotated[Networks, Field(min_length=1, description="members of one family that are wanted")]
    level: int = Field(default=10, ge=1, le=60, description="IMP level of the tickets")
    methods: Annotated[list[str], Field(min_length=1, max_length=len(WAYS))] = Field(
        default=[ELTH, IMP, "rigl", DENSE],
        description=f"{ELTH}: one ticket, stretched and squeezed to all targets; {DENSE}: for comparison; or as "
        "/methods lists them",
    )
    source: ArchitectureName | None = Field(
        default=None, description="whose ticket is stretched; default: every target in turn"
    )
    sources: Networks = Field(default=[], description="members that it may be too, besides the targets")
    seeds: int = Field(default=1, ge=1, le=64, description="how often everything is done")
    recipe: RecipeChoice = Field(
        default_factory=RecipeChoice, description="of every training; default: the family's preset"
    )
    hours: dict[ArchitectureName, Hours] = Field(
        default={},
        max_length=64,
        description="what one whole training of a network takes on all devices; default: as measured here",
    )
    devices: int = Field(default=1, ge=1, le=65_536, description="that work together on each training")
    multiplier: int = Field(
        default=LONGER, ge=1, le=100, description="how many times longer rigl, set and static train"
    )
    price: float | None = Field(
        default=None, ge=0, le=1e9, allow_inf_nan=False, description="of one device for one hour"
    )
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$", description="ISO 4217")

    @field_validator("dataset")
    @classmethod
    def _dataset_is_known(cls, name: str) -> str:
        if name not in DATASETS:
            raise ValueError(f"unknown dataset {name!r}; accepted: {', '.join(DATASETS)}")
        return name

    @field_validator("methods")
    @classmethod
    def _methods_are_known(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in WAYS:
                raise ValueError(f"unknown method {name!r}; accepted: {', '.join(WAYS)}")
        return _each_once(names)

    @field_validator("targets", "source", "sources")
    @classmethod
    def _networks_are_of_one_family(
        cls, given: list[str] | str | None, info: ValidationInfo
    ) -> list[str] | str | None:
        names = [given] if isinstance(given, str) else _each_once(given or [])
        # Without a dataset, nobody knows what the networks would take.
        if "dataset" not in info.data:
            return given
        known = {name: StudySpec.network(name, info.data["dataset"]) for name in names}
        for name, network in known.items():
            if network.name != name:
                raise ValueError(f"{name} is an alias: call it {network.name}")
        first = info.data.get("targets", names)[:1]
        families = {StudySpec.network(name, info.data["dataset"]).family for name in (*first, *names)}
        if len(families) > 1:
            raise ValueError(f"tickets stay in their family, and these are of {', '.join(sorted(families))}")
        return given

    @field_validator("sources")
    @classmethod
    def _one_source_or_several(cls, names: list[str], info: ValidationInfo) -> list[str]:
        if names and info.data.get("source"):
            raise ValueError("give either source, the only one, or sources, further ones")
        return names

    @field_validator("recipe")
    @classmethod
    def _recipe_is_complete(cls, recipe: RecipeChoice, info: ValidationInfo) -> RecipeChoice:
        if not {"dataset", "targets"} <= info.data.keys():
            return recipe
        facts = DATASETS[info.data["dataset"]]
        try:
            full = recipe.resolve(StudySpec.network(info.data["targets"][0], facts.name).family)
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"]) from None
        per_epoch = steps_per_epoch(facts.train, full.batch)
        end, rewind = steps(full.length, per_epoch), steps(full.rewind, per_epoch)
        if rewind >= end:
            raise ValueError(f"tickets restart at step {rewind}, and the recipe ends at step {end}")
        return recipe

    @field_validator("hours")
    @classmethod
    def _hours_are_of_planned_networks(
        cls, hours: dict[str, float], info: ValidationInfo
    ) -> dict[str, float]:
        if not {"targets", "source", "sources"} <= info.data.keys():
            return hours
        planned = _planned(info.data["targets"], info.data["source"], info.data["sources"])
        for name in hours:
            if name not in planned:
                raise ValueError(f"{name} is not planned; accepted: {', '.join(planned)}")
        return hours

    @property
    def asked(self) -> Asked:
        """What is to be planned; decimals are what they were written as."""
        candidates = [self.source] if self.source else [*self.targets, *self.sources]
        return Asked(
            targets=tuple(self.targets),
            dataset=self.dataset,
            level=self.level,
            methods=tuple(self.methods),
            sources=tuple(dict.fromkeys(candidates)),
            seeds=self.seeds,
            recipe=self.recipe,
            hours={name: Fraction(str(hours)) for name, hours in self.hours.items()},
            devices=self.devices,
            multiplier=self.multiplier,
            price=None if self.price is None else Fraction(str(self.price)),
        )


def _planned(targets: list[str], source: str | None, sources: list[str]) -> list[str]:
    return list(dict.fromkeys([*targets, *([source] if source else []), *sources]))


def _each_once(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise ValueError("each may be given once")
    return names


class ShareBody(BaseModel):
    """What a plan asks of one network."""

    network: str
    trainings: float
    steps: int = Field(description="optimiser steps that are taken")
    hours: float | None = Field(default=None, description="of all devices together at work, counted whole")
    rewound_hours: float | None = Field(
        default=None, description="the same, where what lies before the rewind point is trained once"
    )

    @classmethod
    def of(cls, share: Share) -> ShareBody:
        """A share."""
        return cls(
            network=share.network,
            trainings=float(share.trainings),
            steps=share.steps,
            hours=_number(share.hours),
            rewound_hours=_number(share.rewound_hours),
        )


class WayBody(BaseModel):
    """One method's way to the targets."""

    name: str
    method: str
    source: str | None = Field(default=None, description="whose ticket is stretched")
    networks: list[ShareBody]
    trainings: float
    steps: int
    hours: float | None = Field(
        default=None,
        description="of all devices together at work, every training counted whole as E-LTH's appendix B does; null "
        "where nothing tells how long a training lasts",
    )
    rewound_hours: float | None = Field(
        default=None, description="the same, where what lies before the rewind point is trained once"
    )
    device_hours: float | None = Field(default=None, description="`hours` times devices")
    money: float | None = Field(default=None, description="`device_hours` times the price")

    @classmethod
    def of(cls, plan: Plan) -> WayBody:
        """A plan."""
        return cls(
            name=plan.name,
            method=plan.method,
            source=plan.source,
            networks=[ShareBody.of(share) for share in plan.networks],
            trainings=float(plan.trainings),
            steps=plan.steps,
            hours=_number(plan.hours),
            rewound_hours=_number(plan.rewound_hours),
            device_hours=_number(plan.device_hours),
            money=_number(plan.money),
        )


class PlanBody(BaseModel):
    """Every method's cost, and the cheapest."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ANSWER]})

    plans: list[WayBody]
    cheapest: str | None = Field(
        default=None,
        description="by name, of those that end in sparse networks; by steps where hours are not known",
    )
    cheapest_source: str | None = Field(default=None, description="whose ticket is stretched for least")
    currency: str | None = Field(default=None, description="of `money`")
    assumptions: list[str]

    @classmethod
    def of(cls, found: Plans, asked: PlanRequest) -> Self:
        """An answer."""
        return cls(
            plans=[WayBody.of(plan) for plan in found.plans],
            cheapest=found.cheapest.name if found.cheapest else None,
            cheapest_source=found.cheapest_source,
            currency=None if asked.price is None else asked.currency,
            assumptions=list(found.assumptions),
        )


def _number(value: Fraction | None) -> float | None:
    """To the millionth: what was given in decimals comes out in decimals."""
    return None if value is None else float(round(value, 6))
