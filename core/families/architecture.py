"""An architecture as data: its name, its tensors with shapes and roles, and its anatomy. No torch."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from core.elastic.anatomy import Anatomy

LONGEST_TENSOR_NAME = 256
TENSOR_NAME = r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$"


def is_tensor_name(text: str) -> bool:
    """Whether a tensor may be called so: at most 256 letters, digits and _, joined by dots."""
    return len(text) <= LONGEST_TENSOR_NAME and re.fullmatch(TENSOR_NAME, text) is not None


class Role(StrEnum):
    """What a tensor is for. Only `weight` is ever pruned. `state` and `index` are values of unknown purpose."""

    WEIGHT = "weight"
    BIAS = "bias"
    SCALE = "norm scale"
    SHIFT = "norm shift"
    MEAN = "running mean"
    VARIANCE = "running variance"
    COUNT = "batches tracked"
    STATE = "state"
    INDEX = "index"


@dataclass(frozen=True)
class TensorSpec:
    """One entry of a state dict.

    `axes` names, for each dimension, the group of channels it runs over: dimensions of one group are wired together, so
    that a wider or narrower network maps them alike. "" stands for a dimension that does not follow the width (image
    channels, kernel sides, classes); no axes at all for a network whose wiring is not known.
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    axes: tuple[str, ...] = ()

    @property
    def dtype(self) -> str:
        """Its safetensors type: `I64` for counters and indices, `F32` for everything else."""
        return "I64" if self.role in (Role.COUNT, Role.INDEX) else "F32"

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def prunable(self) -> bool:
        """Whether it is a conv or linear weight; biases and normalisation are never pruned."""
        return self.role is Role.WEIGHT


@dataclass(frozen=True)
class Architecture:
    """A concrete network: canonical name + input [C, H, W] + classes, with its tensors in state-dict order.

    `stem` and `head` name the tensors whose shapes follow the input and the number of classes. `definition` is the
    canonical JSON of the posted family that it belongs to, "" for a built-in one.
    """

    name: str
    family: str
    input: tuple[int, int, int]
    classes: int
    tensors: tuple[TensorSpec, ...]
    anatomy: Anatomy
    stem: frozenset[str]
    head: frozenset[str]
    definition: str = ""

    @cached_property
    def specs(self) -> dict[str, TensorSpec]:
        """Tensors by name, in state-dict order."""
        return {spec.name: spec for spec in self.tensors}

    @cached_property
    def prunable(self) -> tuple[TensorSpec, ...]:
        """The prunable tensors, in the tensor order that breaks ties between equal magnitudes."""
        return tuple(spec for spec in self.tensors if spec.prunable)

    @property
    def prunable_weights(self) -> int:
        """The denominator of every sparsity: all prunable weights, also those a preset keeps dense."""
        return sum(spec.size for spec in self.prunable)
