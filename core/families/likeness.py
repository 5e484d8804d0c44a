"""Whether a network is a member of a posted family, whatever it is called: it has the same tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from core.families.architecture import Architecture, Role
from core.families.definition import BadDefinition, Definition, read_definition
from core.families.family import UnknownArchitecture
from core.families.posted import posted_architecture

Forms: TypeAlias = Mapping[str, tuple[tuple[int, ...], str]]
"""Shape and type (`F32`, `I64`) of every tensor of a state dict."""


def as_member(source: Architecture, target: Architecture) -> Architecture | None:
    """The source as a member of the target's family, which a posted one may describe under another name.

    None where it is none.
    """
    if target.family == source.family:
        return source
    if not target.definition:
        return None
    forms = {spec.name: (spec.shape, spec.dtype) for spec in source.tensors}
    return member_like(read_definition(target.definition), forms)


def member_like(definition: Definition, tensors: Forms) -> Architecture | None:
    """The member of a posted family with exactly these tensors, counters of batches apart; None where none has.

    Stages that share one numbering cannot be counted from names: only the example itself is recognised then.
    """
    counts = [len(_numbers(stage.pattern, tensors)) for stage in definition.stages]
    patterns = {stage.pattern for stage in definition.stages}
    try:
        found = posted_architecture(definition, counts if len(patterns) == len(counts) else None)
    except (BadDefinition, UnknownArchitecture):
        return None
    expected = {
        spec.name: (spec.shape, spec.dtype)
        for spec in found.tensors
        if spec.role is not Role.COUNT or spec.name in tensors
    }
    return found if expected == dict(tensors) else None


def _numbers(pattern: str, names: Iterable[str]) -> set[str]:
    prefix, _, suffix = pattern.partition("{unit}")
    form = re.compile(f"{re.escape(prefix)}([0-9]+){re.escape(suffix)}.+")
    return {found[1] for name in names if (found := form.fullmatch(name))}
