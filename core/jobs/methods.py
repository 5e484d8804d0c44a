"""How masks are found: each method's parameters, source and cost, for requests, the API and the pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field


class Parameters(BaseModel):
    """Base of every method's parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ImpParameters(Parameters):
    """Iterative magnitude pruning with rewinding."""

    level: int = Field(default=10, ge=1, le=60, description="prunings; the ticket keeps (1 − fraction)^level")
    fraction: float = Field(default=0.2, gt=0, lt=1, description="share of the survivors pruned per level")


class RandomParameters(Parameters):
    """A uniformly random mask with an exact number of survivors, on freshly initialised weights."""

    survivors: int = Field(ge=0, description="weights that survive, of all prunable weights")


@dataclass(frozen=True)
class Method:
    """One way to find a mask."""

    name: str
    title: str
    parameters: type[Parameters]
    source: str
    trainings: Callable[[Parameters], int]
    """Trainings spent per seed."""


def _imp_trainings(parameters: Parameters) -> int:
    assert isinstance(parameters, ImpParameters)
    return parameters.level


METHODS: dict[str, Method] = {
    "imp": Method(
        name="imp",
        title="Iterative magnitude pruning with rewinding",
        parameters=ImpParameters,
        source="Frankle & Carbin 2019; Frankle et al. 2020; E-LTH, section 2",
        trainings=_imp_trainings,
    ),
    "random": Method(
        name="random",
        title="Random mask, uniform over all prunable weights",
        parameters=RandomParameters,
        source="baseline",
        trainings=lambda _: 0,
    ),
}
