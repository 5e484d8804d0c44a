"""Make tickets of a foreign file: its masks and weights, on an architecture that is named, recognised or proposed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.families.architecture import Architecture, Role
from core.families.definition import Definition
from core.interchange.failure import Reason, Unreadable
from core.interchange.foreign import Arrays, Foreign, Given
from core.interchange.importing import LARGEST, read_foreign
from core.interchange.networks import network_of
from core.jobs.specs import ImportSpec
from core.tickets import Metadata, Ticket
from core.tickets.arrays import dtype_name
from core.tickets.metadata import Describe


@dataclass(frozen=True)
class Entered:
    """A ticket of a foreign file, where it comes from, and the dense weights that its mask was laid over, by step."""

    ticket: Ticket
    metadata: Metadata
    dense: dict[int, dict[str, NDArray[np.generic]]]


def entered(
    path: Path,
    spec: ImportSpec,
    scratch: Path,
    definitions: Sequence[Definition],
    describe: Describe,
    limit: int = LARGEST,
) -> Iterator[Entered]:
    """The tickets of a file, as `spec` asks for them; `definitions` are the posted families it is compared with.

    Raises `Unreadable`.
    """
    given = Given(spec.rewind_step, spec.steps_per_epoch, spec.level)
    format_used, found = read_foreign(path, scratch=scratch, format=spec.format, given=given, limit=limit)
    for foreign in found:
        network = network_of(foreign, spec, definitions, describe)
        weights = completed(network, foreign.weights)
        dense = {0: completed(network, foreign.initial)} if foreign.initial else {}
        if foreign.dense:
            dense[foreign.rewind_step] = weights
        yield Entered(
            Ticket.from_dense(network, foreign.rewind_step, whole_masks(network, foreign), weights),
            Metadata(
                dataset=spec.dataset,
                method="import",
                seed=foreign.seed if spec.seed is None else spec.seed,
                level=foreign.level if spec.level is None else spec.level,
                details={"format": format_used, **foreign.details},
            ),
            dense,
        )


def completed(network: Architecture, weights: Arrays) -> dict[str, NDArray[np.generic]]:
    """A whole state dict in the network's order; counters of batches, which many formats leave out, are 0.

    Raises `Unreadable` for anything else that is missing, or of another shape or type.
    """
    whole: dict[str, NDArray[np.generic]] = {}
    for spec in network.tensors:
        if spec.name not in weights and spec.role is Role.COUNT:
            whole[spec.name] = np.zeros(spec.shape, np.int64)
            continue
        if spec.name not in weights:
            raise Unreadable(Reason.TENSOR_MISSING, spec.name, f"the tensors of {network.name}")
        values = weights[spec.name]
        if values.shape != spec.shape:
            raise Unreadable(Reason.TENSOR_SHAPE, spec.name, f"{list(spec.shape)}, as {network.name} has it")
        if dtype_name(values) != spec.dtype:
            raise Unreadable(Reason.TENSOR_DTYPE, spec.name, spec.dtype)
        whole[spec.name] = values
    return whole


def whole_masks(network: Architecture, foreign: Foreign) -> dict[str, NDArray[np.bool_]]:
    """A mask for every prunable tensor: the file's, all ones where it has none, or what is not zero.

    Raises `Unreadable` for a mask that prunes what is not prunable, or has another shape.
    """
    if foreign.masks is None:
        return {spec.name: foreign.weights[spec.name] != 0 for spec in network.prunable}
    prunable = {spec.name: spec for spec in network.prunable}
    for name, mask in foreign.masks.items():
        if name not in prunable and not mask.all():
            raise Unreadable(Reason.MASK_NOT_PRUNABLE, name, "masks of conv and linear weights")
        if name in prunable and mask.shape != prunable[name].shape:
            raise Unreadable(Reason.MASK_SHAPE, name, f"{list(prunable[name].shape)}")
    return {
        name: foreign.masks[name] if name in foreign.masks else np.ones(spec.shape, bool)
        for name, spec in prunable.items()
    }
