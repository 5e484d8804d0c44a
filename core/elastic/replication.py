"""Which source unit stands where when a row of units is stretched, and which of them may be replicated.

Units are counted among units here: 0 is the first that is not fixed.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.elastic.anatomy import Stage
from core.elastic.refusal import Reason, Refused


def appended(n: int, m: int, chosen: Sequence[int]) -> list[int]:
    """All n units, then copies of the chosen in turn until there are m: with every unit chosen, j mod n."""
    return [*range(n), *(chosen[k % len(chosen)] for k in range(m - n))]


def interpolated(n: int, m: int, chosen: Sequence[int]) -> list[int]:
    """All n units in order, each chosen one followed by its copies: with every unit chosen, ⌊jn / m⌋.

    The chosen share the m − n + |S| places that the others leave: place j goes to number ⌊j|S| / places⌋ of S.
    """
    places = m - n + len(chosen)
    copies = [1] * n
    for unit in chosen:
        copies[unit] = 0
    for place in range(places):
        copies[chosen[place * len(chosen) // places]] += 1
    return [unit for unit in range(n) for _ in range(copies[unit])]


def chosen_units(positions: Sequence[int], old: Stage, new: Stage) -> list[int]:
    """The units at these positions of the source stage, in the order given.

    Raises `Refused` where the stage is not stretched, and for a choice that is empty, repeated, fixed or absent.
    """
    if len(old.units) >= len(new.units):
        raise Refused(
            Reason.NOT_STRETCHED,
            f"units to replicate are chosen, but it goes from {len(old.units)} units to {len(new.units)}; "
            "choose them only for a stage that is stretched",
            old.name,
        )
    if not positions:
        raise Refused(
            Reason.NOTHING_CHOSEN,
            f"no unit is chosen to be replicated; choose some of {_listed(old)}, or leave the stage out",
            old.name,
        )
    number = {position: unit for unit, position in enumerate(old.units)}
    seen: set[int] = set()
    for position in positions:
        if not 0 <= position < len(old.entries):
            raise _unfit(Reason.CHOSEN_ABSENT, "the source has no such entry", old, position)
        if position not in number:
            raise _unfit(Reason.CHOSEN_FIXED, "this entry is fixed and never replicated", old, position)
        if position in seen:
            raise Refused(Reason.CHOSEN_TWICE, "chosen twice; name each unit once", old.name, position)
        seen.add(position)
    return [number[position] for position in positions]


def _unfit(reason: Reason, fault: str, old: Stage, position: int) -> Refused:
    return Refused(reason, f"{fault}; choose among {_listed(old)}", old.name, position)


def _listed(old: Stage) -> str:
    """The units of a stage stand together, between its fixed entries."""
    return f"the units {old.units[0]} to {old.units[-1]}"
