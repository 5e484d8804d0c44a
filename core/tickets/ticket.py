"""The ticket: architecture + mask + θ_k, immutable, with its figures as exact integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.families.architecture import Architecture
from core.tickets.arrays import dtype_name, read_only
from core.tickets.checks import check_dense, check_forms, check_mask, stored_forms
from core.tickets.failure import Failure, InvalidTicket
from core.tickets.mask import Mask
from core.tickets.strict_json import LARGEST_INTEGER


@dataclass(frozen=True)
class LayerFigures:
    """One prunable tensor, counted."""

    name: str
    shape: tuple[int, ...]
    size: int
    survivors: int


@dataclass(frozen=True, eq=False)
class Ticket:
    """A sparse network at its rewind point (E-LTH, section 3).

    `masks` and `kept` hold one entry per prunable tensor: its mask, and its surviving float32 values at step
    `rewind_step` in mask order. `dense` holds every other tensor of the state dict. The arrays are taken over
    without a copy: they may be maps of a file, and nobody may write to them any more. Raises `InvalidTicket`
    for anything that the architecture does not have, and for values from which no training continues.
    """

    architecture: Architecture
    rewind_step: int
    masks: Mapping[str, Mask]
    kept: Mapping[str, NDArray[np.float32]]
    dense: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        step = self.rewind_step
        if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step <= LARGEST_INTEGER:
            raise InvalidTicket(Failure.METADATA_VALUE, "rewind_step", "an integer, 0 or more")
        for field in ("kept", "dense"):
            arrays = {name: read_only(array) for name, array in getattr(self, field).items()}
            object.__setattr__(self, field, MappingProxyType(arrays))
        object.__setattr__(self, "masks", MappingProxyType(dict(self.masks)))
        check_forms(stored_forms(self.architecture), forms(self.stored()))
        for spec in self.architecture.tensors:
            if spec.prunable:
                check_mask(spec, self.masks[spec.name], self.kept[spec.name])
            else:
                check_dense(spec, self.dense[spec.name])

    @classmethod
    def from_dense(
        cls,
        architecture: Architecture,
        rewind_step: int,
        masks: Mapping[str, NDArray[np.bool_]],
        weights: Mapping[str, NDArray[Any]],
    ) -> Ticket:
        """Take the survivors of a whole state dict; what `weights` holds at pruned places is dropped."""
        check_forms({spec.name: ("BOOL", spec.shape) for spec in architecture.prunable}, forms(masks))
        check_forms({spec.name: (spec.dtype, spec.shape) for spec in architecture.tensors}, forms(weights))
        return cls(
            architecture,
            rewind_step,
            masks={name: Mask.from_bool(mask) for name, mask in masks.items()},
            kept={name: weights[name][mask] for name, mask in masks.items()},
            dense={
                spec.name: weights[spec.name].copy() for spec in architecture.tensors if not spec.prunable
            },
        )

    def weights(self) -> dict[str, NDArray[Any]]:
        """The whole state dict in its order, as new arrays, with zeros where pruned."""
        return {spec.name: self.weight(spec.name) for spec in self.architecture.tensors}

    def weight(self, name: str) -> NDArray[Any]:
        """One tensor of the state dict, as a new array, with zeros where pruned."""
        if name in self.dense:
            return self.dense[name].copy()
        array = np.zeros(self.masks[name].shape, np.float32)
        array[self.masks[name].to_bool()] = self.kept[name]
        return array

    def bool_masks(self) -> dict[str, NDArray[np.bool_]]:
        """One new boolean array per prunable tensor, in state-dict order."""
        return {spec.name: self.masks[spec.name].to_bool() for spec in self.architecture.prunable}

    def stored(self) -> dict[str, NDArray[Any]]:
        """The arrays as a file holds them: `NAME.bits`, `NAME.kept`, and the dense tensors."""
        bits = {f"{name}.bits": mask.bits for name, mask in self.masks.items()}
        kept = {f"{name}.kept": values for name, values in self.kept.items()}
        return {**bits, **kept, **self.dense}

    def layers(self) -> tuple[LayerFigures, ...]:
        """The prunable tensors, counted, in state-dict order."""
        return tuple(
            LayerFigures(spec.name, spec.shape, spec.size, self.masks[spec.name].survivors)
            for spec in self.architecture.prunable
        )

    @property
    def prunable_weights(self) -> int:
        """All prunable weights, also those that a preset keeps dense."""
        return self.architecture.prunable_weights

    @cached_property
    def survivors(self) -> int:
        """Prunable weights that the mask keeps."""
        return sum(mask.survivors for mask in self.masks.values())

    @property
    def pruned(self) -> int:
        """Prunable weights that the mask removes."""
        return self.prunable_weights - self.survivors

    @property
    def sparsity(self) -> float:
        """Pruned / all prunable weights."""
        return self.pruned / self.prunable_weights

    @property
    def payload_bytes(self) -> int:
        """Bytes of a file's tensors: survivors × 4 + Σ ⌈prunable / 8⌉ + the dense tensors."""
        return sum(array.nbytes for array in self.stored().values())


def forms(arrays: Mapping[str, NDArray[Any]]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The type and shape of each array."""
    return {name: (dtype_name(array), array.shape) for name, array in arrays.items()}
