"""The architectures that a job knows: the built-in ones, those posted for it, and timm's."""

from __future__ import annotations

from collections.abc import Sequence

from core.families import architecture
from core.families.architecture import Architecture
from core.families.definition import TIMM, Definition
from core.families.posted import parse_name, posted_architecture, posted_member
from core.models import timm
from core.tickets.metadata import Describe


def describer(definitions: Sequence[Definition]) -> Describe:
    """What names architectures in a job; `definitions` are the posted families that it may meet."""

    def describe(name: str, input: tuple[int, int, int], classes: int) -> Architecture:  # noqa: A002
        parsed = parse_name(name)
        for definition in definitions:
            same = (definition.shape, definition.classes or 0) == (tuple(input), classes)
            if same and parsed is not None and parsed.family == definition.name:
                return posted_member(definition, name)
        if name.startswith(TIMM):
            counts = parsed.counts if parsed else None
            return posted_architecture(timm.define(name, input, classes), counts)
        return architecture(name, input, classes)

    return describe
