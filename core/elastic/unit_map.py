"""Unit maps: for every entry of the target the entry of the source that it is copied from (E-LTH, section 3).

Positions count every entry of a stage, fixed ones too, so that each target position has exactly one source.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

from core.elastic.anatomy import Anatomy, Stage
from core.elastic.pairing import counterparts, paired_stages
from core.elastic.refusal import Reason, Refused

UnitMap: TypeAlias = tuple[tuple[int, ...], ...]
"""Per stage, per target entry: the position of its source entry."""

LONGEST_TEXT = 65_536
"""Characters accepted; a map of 600 entries needs about 5,000."""

_POSITION = re.compile(r"[0-9]{1,9}")


class Order(StrEnum):
    """The named ways to choose the source units: two to stretch, three to squeeze."""

    APPEND = "append"
    INTERPOLATE = "interpolate"
    DROP_LAST = "drop_last"
    DROP_FIRST = "drop_first"
    DROP_EVEN = "drop_even"


STRETCHES = (Order.APPEND, Order.INTERPOLATE)
SQUEEZES = (Order.DROP_LAST, Order.DROP_FIRST, Order.DROP_EVEN)

# The source unit of target unit j, for n source and m target units; each is the identity when m = n.
_SOURCE_UNIT: dict[Order, Callable[[int, int, int], int]] = {
    Order.APPEND: lambda j, n, m: j % n,
    Order.INTERPOLATE: lambda j, n, m: j * n // m,
    Order.DROP_LAST: lambda j, n, m: j,
    Order.DROP_FIRST: lambda j, n, m: j + n - m,
    Order.DROP_EVEN: lambda j, n, m: j * n // m,
}


def named_map(order: Order, source: Anatomy, target: Anatomy) -> UnitMap:
    """The unit map of a named order (E-LTH, section 3: units appended, interpolated or dropped).

    Raises `Refused` where the stages do not pair, the order does not fit a stage, or a stage without units
    would have to be stretched.
    """
    return tuple(_ordered(order, old, new) for old, new in paired_stages(source, target))


def _ordered(order: Order, old: Stage, new: Stage) -> tuple[int, ...]:
    n, m = len(old.units), len(new.units)
    if n == 0 < m:
        raise Refused(
            Reason.NOTHING_TO_REPLICATE,
            f"the target has {m} units and the source none to replicate; choose a source with at least one",
            new.name,
            new.units[0],
        )
    fitting = STRETCHES if n < m else SQUEEZES if n > m else tuple(Order)
    if order not in fitting:
        raise Refused(
            Reason.WRONG_ORDER,
            f"{order} does not lead from {n} units to {m}; use {', '.join(fitting)} or an explicit map",
            new.name,
        )
    origin = counterparts(old, new)
    units = old.units
    for j, position in enumerate(new.units):
        origin[position] = units[_SOURCE_UNIT[order](j, n, m)]
    return tuple(origin[position] for position in range(len(new.entries)))


def validate(unit_map: UnitMap, source: Anatomy, target: Anatomy) -> None:
    """Raise `Refused` unless every target entry has a source, and fixed ones map to their counterparts only.

    Dropping units is allowed: a source unit may have no target.
    """
    pairs = paired_stages(source, target)
    if len(unit_map) != len(pairs):
        raise Refused(
            Reason.STAGES_DIFFER, f"the map has {len(unit_map)} stages and the networks have {len(pairs)}"
        )
    for origins, (old, new) in zip(unit_map, pairs, strict=True):
        _validate_positions(origins, old, new)
        _validate_fixed(origins, old, new)


def _validate_positions(origins: tuple[int, ...], old: Stage, new: Stage) -> None:
    if len(origins) < len(new.entries):
        raise _unmapped(new, len(origins))
    if len(origins) > len(new.entries):
        raise _no_such_target(new, len(new.entries))
    for position, origin in enumerate(origins):
        if not 0 <= origin < len(old.entries):
            raise Refused(
                Reason.UNKNOWN_SOURCE,
                f"mapped from entry {origin}, which the source does not have; "
                f"its entries are 0 to {len(old.entries) - 1}",
                new.name,
                position,
            )


def _validate_fixed(origins: tuple[int, ...], old: Stage, new: Stage) -> None:
    for home, fixed in counterparts(old, new).items():
        copies = [position for position, origin in enumerate(origins) if origin == fixed]
        if copies == [home]:
            continue
        if not copies:
            reason, fault = Reason.FIXED_DROPPED, "dropped"
        elif len(copies) > 1:
            reason, fault = (
                Reason.FIXED_REPLICATED,
                f"replicated to target entries {copies[0]} and {copies[1]}",
            )
        else:
            reason, fault = Reason.FIXED_MOVED, f"moved to target entry {copies[0]}"
        raise Refused(
            reason,
            f"this fixed entry of the source is {fault}; map it to target entry {home} and to no other",
            old.name,
            fixed,
        )


def _unmapped(new: Stage, position: int) -> Refused:
    detail = f"this target entry has no source; map all of 0 to {len(new.entries) - 1}"
    return Refused(Reason.UNMAPPED_TARGET, detail, new.name, position)


def _no_such_target(new: Stage, position: int) -> Refused:
    detail = f"the target has no such entry; its entries are 0 to {len(new.entries) - 1}"
    return Refused(Reason.UNKNOWN_TARGET, detail, new.name, position)


def parse_map(text: str, source: Anatomy, target: Anatomy) -> UnitMap:
    """Read `0:0;1:1,2;2:3,4`: source:targets, stages joined by `|`; without `|` one map serves every stage.

    Positions count fixed entries, a unit that is to be dropped is left out, and spaces around numbers do not
    matter. Raises `Refused` as `validate` does, for bad syntax, and for a target that is mapped twice.
    Work is linear in text and stages.
    """
    if len(text) > LONGEST_TEXT:
        raise Refused(
            Reason.BAD_SYNTAX, f"the map has {len(text)} characters; at most {LONGEST_TEXT} are read"
        )
    pairs = paired_stages(source, target)
    texts = text.split("|")
    if len(texts) == 1:
        texts *= len(pairs)
    if len(texts) != len(pairs):
        raise Refused(
            Reason.STAGES_DIFFER,
            f"the map has {len(texts)} stages; give {len(pairs)} joined by '|', or one that serves them all",
        )
    unit_map = tuple(_parse_stage(stage_text, new) for stage_text, (_, new) in zip(texts, pairs, strict=True))
    validate(unit_map, source, target)
    return unit_map


def format_map(unit_map: UnitMap) -> str:
    """The text that `parse_map` reads back to the same map."""
    return "|".join(_format_stage(origins) for origins in unit_map)


def _parse_stage(text: str, new: Stage) -> tuple[int, ...]:
    origin_of: dict[int, int] = {}
    for group in text.split(";"):
        origin_text, colon, targets = group.partition(":")
        if not colon:
            raise Refused(
                Reason.BAD_SYNTAX,
                f"{_excerpt(group)} is not of the form source:targets, such as 1:1,2",
                new.name,
            )
        origin = _position(origin_text, new)
        for target_text in targets.split(","):
            position = _position(target_text, new)
            if position >= len(new.entries):
                raise _no_such_target(new, position)
            if position in origin_of:
                raise Refused(
                    Reason.MAPPED_TWICE,
                    f"mapped from entry {origin_of[position]} and from entry {origin}; give it one source",
                    new.name,
                    position,
                )
            origin_of[position] = origin
    for position in range(len(new.entries)):
        if position not in origin_of:
            raise _unmapped(new, position)
    return tuple(origin_of[position] for position in range(len(new.entries)))


def _position(text: str, new: Stage) -> int:
    digits = text.strip()
    if not _POSITION.fullmatch(digits):
        raise Refused(
            Reason.BAD_SYNTAX,
            f"{_excerpt(text)} is not a position; write a number of at most nine digits",
            new.name,
        )
    return int(digits)


def _format_stage(origins: tuple[int, ...]) -> str:
    targets: dict[int, list[str]] = {}
    for position, origin in enumerate(origins):
        targets.setdefault(origin, []).append(str(position))
    return ";".join(f"{origin}:{','.join(targets[origin])}" for origin in sorted(targets))


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 20 else f"{text[:20]}…")
