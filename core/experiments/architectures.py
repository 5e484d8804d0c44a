"""The architectures that a job knows: the built-in ones, those posted for it, and timm's."""

from __future__ import annotations

from collections.abc import Sequence

from core.families import architecture, known
from core.families.architecture import Architecture
from core.families.definition import TIMM, Definition
from core.families.posted import parse_name, posted_architecture
from core.models import timm
from core.tickets.metadata import Describe


def describer(definitions: Sequence[Definition]) -> Describe:
    """What names architectures in a job; `definitions` are the posted families that it may meet."""
    return known.describer(definitions, _built_in_or_timm)


def _built_in_or_timm(name: str, input: tuple[int, int, int], classes: int) -> Architecture:  # noqa: A002
    if not name.startswith(TIMM):
        return architecture(name, input, classes)
    parsed = parse_name(name)
    return posted_architecture(timm.define(name, input, classes), parsed.counts if parsed else None)
