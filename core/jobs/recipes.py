"""How a network is trained: E-LTH, appendix, Table 4, and its reference implementation. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

Duration = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,7}(ep|it)$"),
    Field(description="epochs or steps", examples=["160ep", "1000it"]),
]
Length = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]{0,6}(ep|it)$"),
    Field(description="how long one training lasts, in epochs or steps", examples=["160ep", "50000it"]),
]
BatchSize = Annotated[
    int, Field(ge=1, le=65_536, description="images per step; the last batch of an epoch may be smaller")
]
LearningRate = Annotated[
    float, Field(gt=0, le=100, allow_inf_nan=False, description="the learning rate after warmup")
]
Momentum = Annotated[float, Field(ge=0, lt=1, description="SGD's momentum; 0 keeps no buffer")]
WeightDecay = Annotated[float, Field(ge=0, le=1, description="L2 penalty added to the gradient")]
Milestones = Annotated[
    tuple[Duration, ...], Field(max_length=32, description="where the learning rate is multiplied by gamma")
]
Gamma = Annotated[float, Field(gt=0, le=1, description="factor at each milestone")]
Warmup = Annotated[Duration, Field(description="the learning rate rises linearly from 0 over this long")]
Rewind = Annotated[Duration, Field(description="the rewind point: a ticket restarts from its weights here")]
Optimizer = Annotated[
    Literal["sgd", "adam"],
    Field(description="adam: β₁ 0.9, β₂ 0.999, ε 1e-8, without momentum and nesterov, which are SGD's"),
]
Nesterov = Annotated[bool, Field(description="SGD steps along the momentum looked ahead; needs a momentum")]
Decay = Annotated[
    Literal["all", "weights"],
    Field(description="what weight decay acts on; weights: all but biases and normalisation"),
]
LabelSmoothing = Annotated[
    float,
    Field(ge=0, lt=1, description="share of each label spread over all classes, in the training loss only"),
]
Schedule = Annotated[
    Literal["steps", "cosine"],
    Field(description="after warmup; steps: gamma at each milestone; cosine: to 0 at the end of length"),
]
Augment = Annotated[bool, Field(description="random crops and flips, on datasets whose classes survive them")]
TensorName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Dense = Annotated[
    tuple[TensorName, ...],
    Field(
        max_length=256,
        description="prunable tensors never pruned; they still count in sparsity and in the quota",
    ),
]


class Recipe(BaseModel):
    """One training, completely; only `steps` needs to know how large the dataset is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    length: Length
    batch: BatchSize
    lr: LearningRate
    momentum: Momentum
    weight_decay: WeightDecay
    milestones: Milestones = ()
    gamma: Gamma = 0.1
    warmup: Warmup = "0it"
    rewind: Rewind = "0it"
    augment: Augment = False
    dense: Dense = ()
    nesterov: Nesterov = False
    decay: Decay = "all"
    label_smoothing: LabelSmoothing = 0
    optimizer: Optimizer = "sgd"
    schedule: Schedule = "steps"

    # Each looks at fields above its own; one that failed by itself is not there to be looked at.

    @field_validator("nesterov")
    @classmethod
    def _nesterov_needs_momentum(cls, nesterov: bool, info: ValidationInfo) -> bool:
        if nesterov and info.data.get("momentum") == 0:
            raise _conflict("nesterov looks ahead along a momentum, and momentum is 0", "a momentum above 0")
        return nesterov

    @field_validator("optimizer")
    @classmethod
    def _momentum_is_sgds(cls, optimizer: str, info: ValidationInfo) -> str:
        if optimizer == "adam" and info.data.get("momentum"):
            raise _conflict(
                f"adam has no momentum, and momentum is {info.data['momentum']:g}", "momentum 0, or sgd"
            )
        return optimizer

    @field_validator("schedule")
    @classmethod
    def _milestones_are_steps(cls, schedule: str, info: ValidationInfo) -> str:
        if schedule == "cosine" and info.data.get("milestones"):
            given = ", ".join(info.data["milestones"])
            raise _conflict(f"cosine has no milestones, and there are {given}", "milestones [], or steps")
        return schedule

    def times(self, factor: int) -> Self:
        """The recipe so many times longer: every duration is multiplied, to the rewind point and of warmup too."""
        longer = {name: _times(getattr(self, name), factor) for name in ("length", "warmup", "rewind")}
        milestones = tuple(_times(milestone, factor) for milestone in self.milestones)
        return self.model_copy(update={**longer, "milestones": milestones})


def _times(duration: str, factor: int) -> str:
    return f"{int(duration[:-2]) * factor}{duration[-2:]}"


def _conflict(what: str, accepted: str) -> PydanticCustomError:
    return PydanticCustomError("recipe_conflict", "{what}", {"what": what, "expected": accepted})


PresetName = Literal[
    "mlp",
    "lenet5",
    "cifar_resnet",
    "cifar_vgg",
    "cifar_mobilenetv1",
    "imagenet_resnet",
    "cifarhe_resnet",
]

# The table prints milestones "80, 160"; a drop at the end does nothing, the reference has 80 and 120.
_CIFAR = Recipe(
    length="160ep",
    batch=128,
    lr=0.1,
    momentum=0.9,
    weight_decay=1e-4,
    milestones=("80ep", "120ep"),
    rewind="1000it",
    augment=True,
)

# Not in the table: lenet5, cifar_mobilenetv1 and cifarhe_resnet are the reference's.
PRESETS: dict[str, Recipe] = {
    "mlp": Recipe(length="40ep", batch=128, lr=0.1, momentum=0, weight_decay=0, dense=("fc.weight",)),
    "lenet5": Recipe(length="20ep", batch=128, lr=0.001, momentum=0, weight_decay=0, optimizer="adam"),
    "cifar_resnet": _CIFAR,
    "cifar_vgg": _CIFAR.model_copy(update={"rewind": "200it", "dense": ("fc.weight",)}),
    "cifar_mobilenetv1": _CIFAR,
    "imagenet_resnet": Recipe(
        length="90ep",
        batch=1024,
        lr=0.4,
        momentum=0.9,
        weight_decay=1e-4,
        milestones=("30ep", "60ep", "80ep"),
        warmup="5ep",
        rewind="5ep",
        augment=True,
    ),
    "cifarhe_resnet": _CIFAR.model_copy(update={"length": "200ep", "weight_decay": 5e-4}),
}


class RecipeChoice(BaseModel):
    """A recipe as a request states it: a preset, and the fields that differ from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: PresetName | None = Field(
        default=None, description="default: the preset of the architecture's family"
    )
    length: Length | None = None
    batch: BatchSize | None = None
    lr: LearningRate | None = None
    momentum: Momentum | None = None
    weight_decay: WeightDecay | None = None
    milestones: Milestones | None = None
    gamma: Gamma | None = None
    warmup: Warmup | None = None
    rewind: Rewind | None = None
    augment: Augment | None = None
    dense: Dense | None = None
    nesterov: Nesterov | None = None
    decay: Decay | None = None
    label_smoothing: LabelSmoothing | None = None
    optimizer: Optimizer | None = None
    schedule: Schedule | None = None

    @classmethod
    def complete(cls, recipe: Recipe) -> Self:
        """The choice that states every field, so that no later change of a preset alters it."""
        return cls.model_validate(recipe.model_dump())

    def resolve(self, family: str | None) -> Recipe:
        """The recipe chosen, for an architecture of `family`; None where the choice is complete by itself.

        Raises `ValueError` when neither preset nor family names a preset, a field is left open, or two contradict
        each other.
        """
        given = self.model_dump(exclude_none=True, exclude={"preset"})
        name = self.preset or family
        return Recipe.model_validate(given) if name is None else recipe_for(name, given)


def recipe_for(name: str, overrides: Mapping[str, Any]) -> Recipe:
    """The preset of this name (presets are named after families), with some fields replaced.

    Raises `ValueError` on an unknown name, an unknown field, a value out of bounds or fields that contradict each
    other.
    """
    if name not in PRESETS:
        raise ValueError(f"no recipe preset {name!r}; there are: {', '.join(PRESETS)}")
    return Recipe.model_validate({**PRESETS[name].model_dump(), **overrides})


def steps_per_epoch(images: int, batch: int) -> int:
    """⌈images / batch⌉: the partial last batch is kept."""
    return -(-images // batch)


def steps(duration: str, steps_per_epoch: int) -> int:
    """A duration in optimiser steps: `2ep` is 2 × steps_per_epoch, `50it` is 50."""
    count = int(duration[:-2])
    return count * steps_per_epoch if duration.endswith("ep") else count
