"""The architectures that a job knows: the built-in ones, those posted for it, and timm's."""

from __future__ import annotations

from collections.abc import Sequence

from core.families import UnknownArchitecture, architecture
from core.families.architecture import Architecture
from core.families.definition import TIMM, Definition
from core.families.posted import parse_name, posted_architecture, posted_member
from core.models import timm
from core.tickets.metadata import Describe


def describer(definitions: Sequence[Definition]) -> Describe:
    """What names architectures in a job; `definitions` are the posted families that it may meet."""

    def describe(name: str, input: tuple[int, int, int], classes: int) -> Architecture:  # noqa: A002
        parsed = parse_name(name)
        posted = [d for d in definitions if parsed is not None and d.name == parsed.family]
        for definition in posted:
            if (definition.shape, definition.classes or 0) == (tuple(input), classes):
                return posted_member(definition, name)
        if posted and not name.startswith(TIMM):
            sizes = "; ".join(f"{list(d.shape)}, {d.classes or 0} classes" for d in posted[:8])
            raise UnknownArchitecture(
                f"{name} is posted, but not for {list(input)}, {classes}; accepted: {sizes}"
            )
        if name.startswith(TIMM):
            counts = parsed.counts if parsed else None
            return posted_architecture(timm.define(name, input, classes), counts)
        return architecture(name, input, classes)

    return describe
