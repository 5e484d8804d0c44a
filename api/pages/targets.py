"""Where a ticket can be carried: members of its family, found by trying names near its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from pydantic import ValidationError

from api.jobs.admission import shape_of
from core.catalog.tables import Ticket
from core.elastic.refusal import Refused
from core.families import FAMILIES, UnknownArchitecture
from core.families.architecture import Architecture
from core.jobs.specs import TransformSpec
from core.jobs.transforms import plan
from core.tickets.metadata import Describe

SUGGESTED = 8


def deeper(ticket: Ticket, describe: Describe) -> str | None:
    """The next deeper member of its family that it can be stretched to."""
    source = describe(ticket.architecture, shape_of(ticket), ticket.classes)
    # Depth is a number in the name, the first that counts something; no family's next member is further than 8.
    names = (_renumbered(number, step) for number in re.finditer(r"\d+", source.name) for step in range(1, 9))
    return next(_reached(ticket, source, describe, names), None)


def suggested(ticket: Ticket, source: Architecture, describe: Describe) -> list[str]:
    """Members of the family that it can be carried to, the next deeper first."""
    names = dict.fromkeys(_near(source))
    return list(islice(_reached(ticket, source, describe, names), SUGGESTED))


def _reached(ticket: Ticket, source: Architecture, describe: Describe, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        try:
            plan(TransformSpec(tickets=[ticket.id], architecture=name), source, describe)
        except (UnknownArchitecture, Refused, ValidationError):
            continue
        yield name


def _near(source: Architecture) -> Iterator[str]:
    """Names near the source's: its first numbers made larger and smaller, then the family's examples."""
    numbers = list(re.finditer(r"\d+", source.name))
    for step in (1, 2, 6, 12, -1, -2, -6, 3, 4, 8):
        for number in numbers[:4]:
            if int(number[0]) + step > 0:
                yield _renumbered(number, step)
    family = FAMILIES.get(source.family)
    yield from (name for name in (family.examples if family else ()) if name != source.name)


def _renumbered(number: re.Match[str], step: int) -> str:
    """The name that `number` was found in, with another number in its place."""
    name = number.string
    return f"{name[: number.start()]}{int(number[0]) + step}{name[number.end() :]}"
