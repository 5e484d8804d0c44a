"""Make tickets of a foreign file: its masks and weights, on an architecture that is named, recognised or proposed."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.experiments.lab import Arrays, Lab
from core.families import UnknownArchitecture
from core.families.architecture import Architecture, Role
from core.families.definition import BadDefinition
from core.families.family import Shapes
from core.families.likeness import member_like
from core.families.posted import posted_architecture
from core.families.proposal import propose
from core.families.registry import recognise
from core.interchange.failure import Reason, Unreadable
from core.interchange.foreign import Foreign, Given
from core.interchange.importing import read_foreign
from core.jobs.datasets import DATASETS
from core.jobs.specs import ImportSpec
from core.tickets import Metadata, Ticket

IMAGE = (3, 32, 32)
"""The input to describe a named network for, where neither file nor sender tell: only its refusal shows it."""


def import_file(spec: ImportSpec, lab: Lab) -> None:
    """Run an import job: one ticket per ticket of the file goes to the lab's outcome. Raises `Unreadable`."""
    upload = lab.inputs.upload
    assert upload is not None, "the supervisor gives an import job its file"
    path = Path(upload)
    given = Given(spec.rewind_step, spec.steps_per_epoch, spec.level)
    format_used, found = read_foreign(path, scratch=path.parent, format=spec.format, given=given)
    for foreign in found:
        network = recognised(spec, foreign.weights, lab)
        weights = completed(network, foreign.weights)
        dense = {0: completed(network, foreign.initial)} if foreign.initial else {}
        if foreign.dense:
            dense[foreign.rewind_step] = weights
        lab.produce(
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


def recognised(spec: ImportSpec, weights: Arrays, lab: Lab) -> Architecture:
    """The network whose tensors these are: the one named, else a built-in or a posted one that has just these names
    and shapes, else a family of its own, whose repeating units are proposed from the names.
    """
    shapes = {name: tuple(values.shape) for name, values in weights.items()}
    known = [found for definition in lab.definitions if (found := member_like(definition, shapes))]
    built_in = recognise(shapes, spec.input)
    if spec.architecture is not None:
        return _named(spec, spec.architecture, shapes, [*known, *([built_in] if built_in else [])], lab)
    if built_in is not None:
        return built_in
    if known:
        return known[0]
    tensors = {
        name: (values.shape, "I64" if values.dtype.kind == "i" else "F32") for name, values in weights.items()
    }
    names = sha256(repr(sorted(tensors.items())).encode()).hexdigest()
    try:
        return posted_architecture(propose(f"net_{names[:12]}", tensors, input=spec.input))
    except BadDefinition as error:
        raise Unreadable(Reason.ARCHITECTURE_UNKNOWN, error.where or "tensors", error.accepted) from None


def _named(
    spec: ImportSpec, name: str, shapes: Shapes, fitting: list[Architecture], lab: Lab
) -> Architecture:
    for network in fitting:
        if name in (network.name, network.family):
            return network
    facts = DATASETS[spec.dataset] if spec.dataset else None
    shape = spec.input or (facts.input if facts else IMAGE)
    classes = facts.classes if facts else _outputs(shapes)
    try:
        network = lab.describe(name, shape, classes)
    except UnknownArchitecture as error:
        raise Unreadable(Reason.ARCHITECTURE_UNKNOWN, "architecture", str(error)) from None
    for tensor in network.tensors:
        if tensor.name not in shapes and tensor.role is not Role.COUNT:
            raise Unreadable(Reason.TENSOR_MISSING, tensor.name, f"the tensors of {network.name}")
        if shapes.get(tensor.name, tensor.shape) != tensor.shape:
            raise Unreadable(
                Reason.TENSOR_SHAPE, tensor.name, f"{list(tensor.shape)}, as {network.name} has it"
            )
    for unknown in shapes.keys() - network.specs.keys():
        raise Unreadable(Reason.TENSOR_UNEXPECTED, ascii(unknown), f"the tensors of {network.name}")
    return network


def _outputs(shapes: Shapes) -> int:
    """The classes of a network: the outputs of its last weight."""
    return next((shape[0] for shape in reversed(list(shapes.values())) if len(shape) >= 2), 1)


def completed(network: Architecture, weights: Arrays) -> dict[str, NDArray[np.generic]]:
    """A whole state dict in the network's order; counters of batches, which many formats leave out, are 0."""
    return {
        spec.name: weights[spec.name] if spec.name in weights else np.zeros(spec.shape, np.int64)
        for spec in network.tensors
    }


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
