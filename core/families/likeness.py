"""Whether a network is a member of a posted family, whatever it is called: it has the same tensors."""

from __future__ import annotations

import re

from core.families.architecture import Architecture
from core.families.definition import BadDefinition, Definition
from core.families.family import Shapes, UnknownArchitecture
from core.families.posted import posted_architecture


def member_like(definition: Definition, shapes: Shapes) -> Architecture | None:
    """The member of a posted family whose tensors have exactly these names and shapes; None where none has.

    Stages that share one numbering cannot be counted from names: only the example itself is recognised then.
    """
    counts = [len(_numbers(stage.pattern, shapes)) for stage in definition.stages]
    patterns = {stage.pattern for stage in definition.stages}
    try:
        found = posted_architecture(definition, counts if len(patterns) == len(counts) else None)
    except (BadDefinition, UnknownArchitecture):
        return None
    return found if {spec.name: spec.shape for spec in found.tensors} == dict(shapes) else None


def _numbers(pattern: str, names: Shapes) -> set[str]:
    prefix, _, suffix = pattern.partition("{unit}")
    form = re.compile(f"{re.escape(prefix)}([0-9]+){re.escape(suffix)}.+")
    return {found[1] for name in names if (found := form.fullmatch(name))}
