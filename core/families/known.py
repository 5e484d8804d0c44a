"""Names of networks, where besides the built-in ones some posted families are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from core.families.architecture import Architecture
from core.families.definition import TIMM, Definition
from core.families.family import UnknownArchitecture
from core.families.posted import parse_name, posted_member
from core.families.registry import architecture

Describe: TypeAlias = Callable[[str, tuple[int, int, int], int], Architecture]


def describer(definitions: Sequence[Definition], others: Describe = architecture) -> Describe:
    """What names architectures: these posted families, and `others`. It raises `UnknownArchitecture`."""

    def describe(name: str, input: tuple[int, int, int], classes: int) -> Architecture:  # noqa: A002
        parsed = parse_name(name)
        posted = [d for d in definitions if parsed is not None and d.name == parsed.family]
        for definition in posted:
            if (definition.shape, definition.classes or 0) == (tuple(input), classes):
                return posted_member(definition, name)
        # timm makes a network for any size.
        if posted and not name.startswith(TIMM):
            sizes = "; ".join(f"{list(d.shape)}, {d.classes or 0} classes" for d in posted[:8])
            raise UnknownArchitecture(
                f"{name} is posted, but not for {list(input)}, {classes}; accepted: {sizes}"
            )
        return others(name, input, classes)

    return describe
