"""Which network an imported file holds: one that is named, recognised by its tensors, or proposed from their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

from core.families import UnknownArchitecture
from core.families.architecture import Architecture, Role
from core.families.definition import BadDefinition, Definition
from core.families.family import Shapes
from core.families.likeness import Forms, member_like
from core.families.posted import posted_architecture
from core.families.proposal import propose
from core.families.registry import member, recognise
from core.interchange.failure import Reason, Unreadable
from core.interchange.foreign import Foreign
from core.jobs.datasets import DATASETS
from core.jobs.specs import ImportSpec
from core.tickets.metadata import Describe

IMAGE = (3, 32, 32)
"""The input to describe a named network for, where neither file nor sender tell: only its refusal shows it."""


def network_of(
    foreign: Foreign, spec: ImportSpec, definitions: Sequence[Definition], describe: Describe
) -> Architecture:
    """The network whose tensors these are: the one named, else a built-in or a posted one that has just these names
    and shapes, else a family of its own, whose repeating units are proposed from the names. Raises `Unreadable`.
    """
    forms = {
        name: (tuple(values.shape), "I64" if values.dtype.kind == "i" else "F32")
        for name, values in foreign.weights.items()
    }
    fitting = _fitting(foreign, forms, spec, definitions)
    if spec.architecture is None:
        return next(fitting, None) or _proposed(forms, spec)
    wanted = _canonical(spec.architecture)
    for network in fitting:
        if wanted == network.name or (network.definition and wanted == network.family):
            return network
    return _refuse(wanted, {name: shape for name, (shape, _) in forms.items()}, spec, describe)


def _fitting(
    foreign: Foreign, forms: Forms, spec: ImportSpec, definitions: Sequence[Definition]
) -> Iterator[Architecture]:
    """The known networks with these tensors that take the images and allow the masks: built-in ones first."""
    shapes = {name: shape for name, (shape, _) in forms.items()}
    of_dataset = DATASETS[spec.dataset].input if spec.dataset else None
    built_in = recognise(shapes, spec.input or of_dataset)
    if built_in is None and spec.input is None:
        built_in = recognise(shapes)
    if built_in is not None:
        yield built_in
    pruned = {name for name, mask in (foreign.masks or {}).items() if not mask.all()}
    for definition in definitions:
        found = member_like(definition, forms)
        if found is None or (spec.input is not None and found.input != spec.input):
            continue
        if pruned <= {tensor.name for tensor in found.prunable}:
            yield found


def _canonical(name: str) -> str:
    try:
        return member(name).name
    except UnknownArchitecture:
        return name


def _proposed(forms: Forms, spec: ImportSpec) -> Architecture:
    # The same network again is the same family, whatever its weights are. The order of its tensors is part of a
    # definition, and of its name: in another order it is recognised by the first.
    digest = sha256(repr(list(forms.items())).encode()).hexdigest()
    try:
        return posted_architecture(propose(f"net_{digest[:12]}", forms, input=spec.input))
    except BadDefinition as error:
        raise Unreadable(Reason.ARCHITECTURE_UNKNOWN, error.where or "tensors", error.accepted) from None
    except UnknownArchitecture as error:
        raise Unreadable(Reason.ARCHITECTURE_UNKNOWN, "tensors", str(error)) from None


def _refuse(name: str, shapes: Shapes, spec: ImportSpec, describe: Describe) -> Architecture:
    """Say where the file differs first from the network that was named."""
    facts = DATASETS[spec.dataset] if spec.dataset else None
    shape = spec.input or (facts.input if facts else IMAGE)
    try:
        network = describe(name, shape, facts.classes if facts else _outputs(shapes))
    except UnknownArchitecture as error:
        raise Unreadable(Reason.ARCHITECTURE_UNKNOWN, "architecture", str(error)) from None
    for tensor in network.tensors:
        if tensor.name not in shapes and tensor.role is not Role.COUNT:
            raise Unreadable(Reason.TENSOR_MISSING, tensor.name, f"the tensors of {network.name}")
        if shapes.get(tensor.name, tensor.shape) != tensor.shape:
            raise Unreadable(
                Reason.TENSOR_SHAPE, tensor.name, f"{list(tensor.shape)}, as {network.name} has it"
            )
    for unknown in sorted(shapes.keys() - network.specs.keys()):
        raise Unreadable(Reason.TENSOR_UNEXPECTED, unknown, f"the tensors of {network.name}")
    raise Unreadable(
        Reason.TENSOR_DTYPE, "file", f"the types, and masks of the prunable tensors, of {network.name}"
    )


def _outputs(shapes: Shapes) -> int:
    """The classes of a network: the outputs of its last weight."""
    return next((shape[0] for shape in reversed(list(shapes.values())) if len(shape) >= 2), 1)
