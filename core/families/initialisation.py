"""Initial weights from a seed: Kaiming normal, drawn with NumPy so that no torch version can change them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from core.families.architecture import Architecture, Role, TensorSpec


def initialise(
    architecture: Architecture, seed: int, names: Iterable[str] | None = None
) -> dict[str, np.ndarray]:
    """Fresh arrays for all tensors, or for `names`, in their own dtype (float32; the batch counter int64).

    Each tensor has its own generator, seeded by (seed, name): a head drawn alone is the head of the whole
    network, whatever the body. `seed` ≥ 0. Raises KeyError for a name that the architecture does not have, and
    ValueError for a tensor of a posted architecture that has no rule: a value of unknown purpose, a bias whose layer
    is not known.

    Weights are Kaiming normal (He et al., 2015, equation 10: std = √(2 / fan in)), BN scales U(0, 1), shifts
    0. Biases are U(±1/√fan in), torch's default for linear and conv layers: the E-LTH reference draws only weights.
    """
    wanted = architecture.specs if names is None else names
    return {name: _drawn(architecture, architecture.specs[name], seed) for name in wanted}


def _drawn(architecture: Architecture, spec: TensorSpec, seed: int) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64([seed, *spec.name.encode()]))
    match spec.role:
        case Role.WEIGHT:
            std = math.sqrt(2 / _fan_in(spec))
            return generator.standard_normal(spec.shape, dtype=np.float32) * np.float32(std)
        case Role.BIAS:
            weight = architecture.specs.get(f"{spec.name.removesuffix('bias')}weight")
            if weight is None or not weight.prunable:
                raise ValueError(f"{spec.name} cannot be drawn: no weight of its layer gives the bounds")
            bound = 1 / math.sqrt(_fan_in(weight))
            return generator.uniform(-bound, bound, spec.shape).astype(np.float32)
        case Role.SCALE:
            return generator.random(spec.shape, dtype=np.float32)
        case Role.VARIANCE:
            return np.ones(spec.shape, np.float32)
        case Role.SHIFT | Role.MEAN:
            return np.zeros(spec.shape, np.float32)
        case Role.COUNT:
            return np.zeros(spec.shape, np.int64)
        case Role.STATE | Role.INDEX:
            raise ValueError(f"{spec.name} cannot be drawn: it is a value of unknown purpose")


def _fan_in(weight: TensorSpec) -> int:
    """Inputs of one output: [outputs, inputs, …kernel]."""
    return math.prod(weight.shape[1:])
