"""How masks are found: each method's parameters, source and cost, for requests, the API and the pages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Scope = Annotated[
    Literal["global", "uniform", "erk"],
    Field(
        description="where the survivors are counted: over the whole network; the same density in every layer; "
        "or by the Erdős–Rényi-kernel densities"
    ),
]
Pattern = Annotated[
    str,
    Field(
        pattern=r"^([1-9][0-9]?:[1-9][0-9]?|[1-9][0-9]?x[1-9][0-9]?)$",
        description="what the hardware can skip; N:M: N of every M consecutive inputs survive, instead of a budget; "
        "RxC: blocks of R outputs × C inputs survive or go as one",
        examples=["2:4", "4x1"],
    ),
]


class Parameters(BaseModel):
    """Base of every method's parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ImpParameters(Parameters):
    """Iterative magnitude pruning with rewinding."""

    level: int = Field(default=10, ge=1, le=60, description="prunings; the ticket keeps (1 − fraction)^level")
    fraction: float = Field(default=0.2, gt=0, lt=1, description="share of the survivors pruned per level")
    scope: Literal["global", "layer"] = Field(
        default="global", description="layer: the fraction is taken of every layer's survivors by itself"
    )
    rewind: Literal["point", "init", "learning_rate"] = Field(
        default="point",
        description="what a level restarts from; point: weights and schedule of the recipe's rewind point; init: those "
        "of step 0; learning_rate: the schedule of the rewind point, the weights as trained",
    )


class Budget(Parameters):
    """How much survives, as a count or as a share."""

    survivors: int | None = Field(
        default=None, ge=0, description="weights that survive, of all prunable weights"
    )
    sparsity: float | None = Field(
        default=None, ge=0, lt=1, description="instead: the share that is pruned, ⌊sparsity · all⌋ weights"
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.survivors is None) == (self.sparsity is None):
            raise ValueError("give either survivors or sparsity")
        return self

    def survivors_of(self, prunable: int) -> int:
        """How many of so many prunable weights survive: exactly."""
        if self.survivors is not None:
            return self.survivors
        # The decimal as it is written: in floats 0.07 · 100 is a little over 7.
        return prunable - math.floor(Fraction(str(self.sparsity)) * prunable)


class OneShotParameters(Budget):
    """Base of the methods that look at the network once, before or early in training, and prune it."""

    at: Literal["init", "rewind"] = Field(
        default="init",
        description="the weights that are looked at, and restarted from; rewind: those of the rewind point",
    )
    scope: Scope = "global"
    pattern: Pattern | None = None

    @property
    def has_budget(self) -> bool:
        """Whether a count or a share was given; otherwise a pattern N:M says how much survives."""
        return self.survivors is not None or self.sparsity is not None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        patterned = self.pattern is not None and ":" in self.pattern
        if (self.survivors is not None) + (self.sparsity is not None) + patterned != 1:
            raise ValueError(
                "give one of survivors, sparsity, or a pattern N:M, which says itself how much survives"
            )
        if self.pattern is not None and ":" in self.pattern:
            kept, of = map(int, self.pattern.split(":"))
            if kept >= of:
                raise ValueError(f"pattern {self.pattern}: of every {of} fewer than {of} must survive")
        if self.pattern is not None and self.scope != "global":
            raise ValueError("a pattern is chosen over the whole network: leave scope out")
        if patterned and getattr(self, "rounds", 1) > 1:
            raise ValueError("a pattern N:M leaves nothing to prune in a second round: give rounds 1")
        return self


class RandomParameters(OneShotParameters):
    """A random mask with an exact number of survivors."""


class MagnitudeParameters(OneShotParameters):
    """The criterion of iterative magnitude pruning, once."""


class SnipParameters(OneShotParameters):
    """Connection sensitivity |w · ∂L/∂w| on one batch; in several rounds, iterative SNIP."""

    batch: int = Field(default=100, ge=1, le=65_536, description="training images that are looked at")
    batch_norm: Literal["train", "eval"] = Field(
        default="train", description="statistics of the batch, or the running ones of the weights"
    )
    fresh_init: bool = Field(
        default=False,
        description="score another initialisation than the one that is trained, as the authors do",
    )
    rounds: int = Field(default=1, ge=1, le=1000, description="prunings, by an exponential schedule")

    @model_validator(mode="after")
    def _another_initialisation_is_of_step_0(self) -> Self:
        if self.fresh_init and self.at == "rewind":
            raise ValueError("fresh_init scores an initialisation: leave at out")
        return self


class ForceParameters(OneShotParameters):
    """Foresight connection sensitivity: in every round all weights are scored again, also pruned ones."""

    batch: int = Field(default=100, ge=1, le=65_536, description="training images that are looked at")
    batch_norm: Literal["train", "eval"] = "train"
    rounds: int = Field(default=20, ge=1, le=1000, description="prunings, by an exponential schedule")


class GraspParameters(OneShotParameters):
    """Gradient signal preservation: signed, the largest scores go."""

    per_class: int = Field(default=25, ge=2, le=1000, description="training images of each class")


class SynflowParameters(OneShotParameters):
    """Synaptic flow: without data, in float64."""

    rounds: int = Field(
        default=100, ge=1, le=1000, description="prunings; round e keeps density^(e / rounds)"
    )


class EarlyBirdParameters(Parameters):
    """Whole channels, by |γ| of batch normalisation, as soon as the choice no longer changes in training."""

    channels: float = Field(
        default=0.5, gt=0, lt=1, description="share of the normalised channels that is pruned"
    )
    window: int = Field(default=5, ge=2, le=100, description="epochs whose masks must agree")
    distance: float = Field(
        default=0.1, gt=0, le=1, description="they agree where less than this share of the channels differs"
    )


class DynamicParameters(Budget):
    """A mask that changes during training, or, static, does not: RigL, SET and their baseline."""

    method: Literal["rigl", "set", "static"] = Field(
        default="rigl", description="what grows: the largest gradients, random weights, or nothing"
    )
    scope: Literal["uniform", "erk"] = Field(default="erk", description="each layer's density")
    alpha: float = Field(default=0.3, gt=0, le=1, description="share of a layer's weights replaced at first")
    every: int = Field(default=100, ge=1, le=10**7, description="steps between updates, ΔT")
    begin: int = Field(default=0, ge=0, lt=2**31, description="the step of the first update")
    end: float = Field(default=0.75, ge=0, le=1, description="no update after this share of the run")
    multiplier: int = Field(
        default=1,
        ge=1,
        le=100,
        description="train so many times longer: every duration of the recipe is multiplied",
    )

    def last_update(self, length: int) -> int:
        """The step after which nothing is updated, in a training of `length` steps."""
        return math.floor(Fraction(str(self.end)) * length)


@dataclass(frozen=True)
class Method:
    """One way to find a mask.

    `request`: by which request it is run: what finds a ticket, or what trains with a changing mask.
    """

    name: str
    title: str
    parameters: type[Parameters]
    source: str
    cost: str
    """What it spends per seed, in words."""
    trainings: Callable[[Parameters], float] = lambda _: 0
    """Trainings spent per seed before the ticket is there."""
    request: Literal["find", "train"] = "find"


def _imp_trainings(parameters: Parameters) -> float:
    assert isinstance(parameters, ImpParameters)
    return parameters.level


def _dynamic_trainings(parameters: Parameters) -> float:
    assert isinstance(parameters, DynamicParameters)
    return parameters.multiplier


_ALL = (
    Method(
        name="imp",
        title="Iterative magnitude pruning with rewinding",
        parameters=ImpParameters,
        source="Frankle & Carbin 2019; Frankle et al. 2020; Renda et al. 2020 (learning rate); E-LTH, section 2",
        cost="a training per level, and the way to the rewind point",
        trainings=_imp_trainings,
    ),
    Method(
        name="one_shot_magnitude",
        title="Magnitude, once",
        parameters=MagnitudeParameters,
        source="the criterion of IMP, at initialisation or at the rewind point",
        cost="nothing; the way to the rewind point where asked",
    ),
    Method(
        name="random",
        title="Random mask",
        parameters=RandomParameters,
        source="baseline; Evci et al. 2020, section 3 (Erdős–Rényi-kernel densities)",
        cost="nothing; the way to the rewind point where asked",
    ),
    Method(
        name="snip",
        title="SNIP: connection sensitivity",
        parameters=SnipParameters,
        source="Lee et al. 2019; Verdenius et al. 2020 (several rounds)",
        cost="a gradient per round",
    ),
    Method(
        name="force",
        title="FORCE: foresight connection sensitivity",
        parameters=ForceParameters,
        source="de Jorge et al. 2021",
        cost="a gradient per round",
    ),
    Method(
        name="grasp",
        title="GraSP: gradient signal preservation",
        parameters=GraspParameters,
        source="Wang et al. 2020",
        cost="two gradients and a Hessian–gradient product",
    ),
    Method(
        name="synflow",
        title="SynFlow: synaptic flow",
        parameters=SynflowParameters,
        source="Tanaka et al. 2020",
        cost="a gradient of one image per round",
    ),
    Method(
        name="early_bird",
        title="Early-bird ticket: whole channels",
        parameters=EarlyBirdParameters,
        source="You et al. 2020",
        cost="as many epochs as it takes until the masks of the window agree, at most one training",
    ),
    Method(
        name="rigl",
        title="RigL: grow where the gradient is largest",
        parameters=DynamicParameters,
        source="Evci et al. 2020",
        cost="the training itself, multiplied",
        trainings=_dynamic_trainings,
        request="train",
    ),
    Method(
        name="set",
        title="SET: grow at random",
        parameters=DynamicParameters,
        source="Mocanu et al. 2018",
        cost="the training itself, multiplied",
        trainings=_dynamic_trainings,
        request="train",
    ),
    Method(
        name="static",
        title="Static sparse training: a random mask that stays",
        parameters=DynamicParameters,
        source="baseline of Evci et al. 2020",
        cost="the training itself, multiplied",
        trainings=_dynamic_trainings,
        request="train",
    ),
)

METHODS: dict[str, Method] = {method.name: method for method in _ALL}
FINDING: dict[str, Method] = {name: method for name, method in METHODS.items() if method.request == "find"}
