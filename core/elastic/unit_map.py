"""Unit maps: for every entry of the target the entry of the source that it is copied from (E-LTH, section 3).

Positions count every entry of a stage, fixed ones too, so that each target position has exactly one source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TypeAlias

from core.elastic.anatomy import Anatomy, Stage
from core.elastic.pairing import counterparts, paired_stages
from core.elastic.refusal import Reason, Refused
from core.elastic.replication import appended, chosen_units, interpolated

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


# The first of each is the natural one, taken where none is named.
STRETCHES = (Order.APPEND, Order.INTERPOLATE)
SQUEEZES = (Order.DROP_LAST, Order.DROP_FIRST, Order.DROP_EVEN)

# The source units of the target's m, counted among the n of the source; `chosen` is what may be replicated.
_SOURCE_UNITS: dict[Order, Callable[[int, int, Sequence[int]], Iterable[int]]] = {
    Order.APPEND: appended,
    Order.INTERPOLATE: interpolated,
    Order.DROP_LAST: lambda n, m, chosen: range(m),
    Order.DROP_FIRST: lambda n, m, chosen: range(n - m, n),
    Order.DROP_EVEN: lambda n, m, chosen: (j * n // m for j in range(m)),
}


def named_map(
    order: Order | Mapping[str, Order] | None,
    source: Anatomy,
    target: Anatomy,
    replicate: Mapping[str, Sequence[int]] | None = None,
) -> UnitMap:
    """The unit map of named orders (E-LTH, section 3: units appended, interpolated or dropped).

    One order serves every stage whose number of units changes; a mapping gives an order per stage name. Stages
    that it leaves out, or all where `order` is None, are stretched by append and squeezed by drop_last. A
    stage that keeps its number of units is the identity, whatever the order.

    `replicate` restricts, per stage name, the units that are replicated: positions of source entries as in a
    unit map. All units are kept once; append takes the copies from the chosen in the order given, and
    interpolate puts them beside the chosen.

    Raises `Refused` where the stages do not pair, a stage name is unknown, an order does not fit its stage, a
    stage without units would have to be stretched, or a choice to replicate is not sound (`chosen_units`).
    """
    pairs = paired_stages(source, target)
    names = [old.name for old, _ in pairs]
    for given in (order if isinstance(order, Mapping) else {}, replicate or {}):
        for name in given:
            if name not in names:
                raise Refused(
                    Reason.UNKNOWN_STAGE,
                    f"there is no stage {_excerpt(name)}; the stages are {', '.join(names) or 'none'}",
                )
    orders = order if isinstance(order, Mapping) else dict.fromkeys(names, order)
    return tuple(
        _ordered(orders.get(old.name), old, new, (replicate or {}).get(old.name)) for old, new in pairs
    )


def _ordered(order: Order | None, old: Stage, new: Stage, replicate: Sequence[int] | None) -> tuple[int, ...]:
    n, m = len(old.units), len(new.units)
    if n == 0 < m:
        raise Refused(
            Reason.NOTHING_TO_REPLICATE,
            f"the target has {m} units and the source none to replicate; choose a source with at least one",
            new.name,
            new.units[0],
        )
    chosen = range(n) if replicate is None else chosen_units(replicate, old, new)
    fitting = STRETCHES if n < m else SQUEEZES
    if order is None or n == m:
        order = fitting[0]
    if order not in fitting:
        raise Refused(
            Reason.WRONG_ORDER,
            f"{order} does not lead from {n} units to {m}; use {', '.join(fitting)} or an explicit map",
            new.name,
        )
    origin = counterparts(old, new)
    for position, unit in zip(new.units, _SOURCE_UNITS[order](n, m, chosen), strict=True):
        origin[position] = old.units[unit]
    return tuple(origin[position] for position in range(len(new.entries)))


def compose(first: UnitMap, second: UnitMap) -> UnitMap:
    """The map of going along `first` and then along `second`, from the source of the one to the target of the other.

    Raises `Refused` where `second` does not start where `first` ends: other stages, or an entry it has not.
    """
    if len(first) != len(second):
        raise Refused(
            Reason.STAGES_DIFFER,
            f"the first map has {len(first)} stages and the second {len(second)}; "
            "the second must start at the first one's target",
        )
    for number, (inner, outer) in enumerate(zip(first, second, strict=True), start=1):
        for position, origin in enumerate(outer):
            if not 0 <= origin < len(inner):
                raise Refused(
                    Reason.UNKNOWN_SOURCE,
                    f"stage {number} of {len(first)}: the second map takes entry {position} from entry {origin}, "
                    f"and the first map leads to {len(inner)} entries",
                )
    return tuple(tuple(inner[origin] for origin in outer) for inner, outer in zip(first, second, strict=True))


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

    A stage without entries in the target is not written. Positions count fixed entries, a unit that is to be
    dropped is left out, and spaces around numbers do not matter. Raises `Refused` as `validate` does, for bad
    syntax, and for a target that is mapped twice. Work is linear in text and stages.
    """
    if len(text) > LONGEST_TEXT:
        raise Refused(
            Reason.BAD_SYNTAX, f"the map has {len(text)} characters; at most {LONGEST_TEXT} are read"
        )
    stages = [new for _, new in paired_stages(source, target)]
    written = [stage for stage in stages if stage.entries]
    texts = text.split("|") if text or written else []
    if len(texts) == 1 and written:
        texts *= len(written)
    if len(texts) != len(written):
        raise Refused(
            Reason.STAGES_DIFFER,
            f"the map has {len(texts)} stages; give {len(written)} joined by '|', or one that serves them all",
        )
    parsed = (_parse_stage(part, stage) for part, stage in zip(texts, written, strict=True))
    unit_map = tuple(next(parsed) if stage.entries else () for stage in stages)
    validate(unit_map, source, target)
    return unit_map


def format_map(unit_map: UnitMap) -> str:
    """The text that `parse_map` reads back to the same map; a stage without target entries is not written."""
    return "|".join(_format_stage(origins) for origins in unit_map if origins)


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
