"""Source and target of a transformation, block by block: what each target entry is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from core.elastic.anatomy import Stage
from core.elastic.unit_map import UnitMap, format_map

MOST = 96
"""Entries of a stage that are drawn; the text of the map has all."""

BLOCK, GAP, HIGH = 34, 8, 28
LEFT = 58
TOP, BOTTOM = 8, 84


@dataclass(frozen=True)
class Block:
    """One entry. `kind` is fixed, unit, copy or dropped; `mark` is picked, choice or flawed."""

    position: int
    x: int
    y: int
    kind: str
    mark: str
    says: str
    href: str | None


@dataclass(frozen=True)
class StageDrawing:
    """One stage: its source entries above, its target entries below, a wire from each to what is made of it."""

    name: str
    counts: str
    blocks: Sequence[Block]
    wires: Sequence[tuple[str, bool]]
    width: int
    left_out: int


Address = Callable[[dict[str, str | None]], str]
"""The page's address with some of its parameters changed."""


@dataclass(frozen=True)
class Pick:
    """The target entry whose source is being chosen."""

    stage: int
    target: int

    @classmethod
    def read(cls, text: str | None, unit_map: UnitMap) -> Pick | None:
        """`1.4`: the second stage's entry 4; None for what is no entry of the map."""
        stage, _, target = (text or "").partition(".")
        if not (stage.isascii() and stage.isdigit() and target.isascii() and target.isdigit()):
            return None
        if len(stage) > 4 or len(target) > 9 or int(stage) >= len(unit_map):
            return None
        return cls(int(stage), int(target)) if int(target) < len(unit_map[int(stage)]) else None


def drawings(
    source: Sequence[Stage],
    target: Sequence[Stage],
    unit_map: UnitMap | None,
    pick: Pick | None,
    flawed: tuple[str, int] | None,
    address: Address,
) -> list[StageDrawing]:
    """Every stage; without wires where there is no map. Stages are paired by their place."""
    return [
        _stage(number, old, new, unit_map, pick, flawed, address)
        for number, (old, new) in enumerate(zip(source, target, strict=False))
        if old.entries or new.entries
    ]


def _stage(
    number: int,
    old: Stage,
    new: Stage,
    unit_map: UnitMap | None,
    pick: Pick | None,
    flawed: tuple[str, int] | None,
    address: Address,
) -> StageDrawing:
    origins = unit_map[number] if unit_map is not None else ()
    chosen = pick.target if pick is not None and pick.stage == number else None

    def take(position: int) -> str | None:
        if unit_map is None or chosen is None:
            return None
        return address(_chosen(unit_map, number, chosen, position))

    def choose(position: int) -> str:
        return address({"pick": None if position == chosen else f"{number}.{position}"})

    longest = max(len(old.entries), len(new.entries))
    wrong = flawed[1] if flawed is not None and flawed[0] == new.name else None
    return StageDrawing(
        name=new.name,
        counts=f"{len(old.entries)} → {len(new.entries)} entries, {len(new.fixed)} of them fixed",
        blocks=[*_sources(old, origins, take), *_targets(new, origins, chosen, wrong, choose)],
        wires=[
            (_wire(origin, position), origin in origins[:position])
            for position, origin in enumerate(origins[:MOST])
            if origin < MOST
        ],
        width=_x(min(longest, MOST)) + GAP,
        left_out=max(0, longest - MOST),
    )


def _sources(stage: Stage, origins: Sequence[int], take: Callable[[int], str | None]) -> Iterator[Block]:
    """The source's entries; while a target entry's source is being chosen, each `take`s to its choice."""
    for position, entry in enumerate(stage.entries[:MOST]):
        href = None if entry.fixed else take(position)
        dropped = bool(origins) and position not in origins
        yield Block(
            position,
            _x(position),
            TOP,
            "fixed" if entry.fixed else "dropped" if dropped else "unit",
            "choice" if href else "",
            f"source {position}{_is(entry.fixed)}",
            href,
        )


def _targets(
    stage: Stage,
    origins: Sequence[int],
    chosen: int | None,
    wrong: int | None,
    choose: Callable[[int], str],
) -> Iterator[Block]:
    """The target's entries; where there is a map, each leads to the choice of its source."""
    for position, entry in enumerate(stage.entries[:MOST]):
        origin = origins[position] if origins else None
        copied = origin is not None and origin in origins[:position]
        made = "" if origin is None else f", {'a copy' if copied else 'made'} of source {origin}"
        yield Block(
            position,
            _x(position),
            BOTTOM,
            "fixed" if entry.fixed else "copy" if copied else "unit",
            "picked" if position == chosen else "flawed" if position == wrong else "",
            f"target {position}{_is(entry.fixed)}{made}",
            None if origin is None or entry.fixed else choose(position),
        )


def _chosen(unit_map: UnitMap, number: int, target: int, origin: int) -> dict[str, str | None]:
    """The parameters that make `target` of `origin`: the whole map, written out."""
    changed = [list(origins) for origins in unit_map]
    changed[number][target] = origin
    return {"unit_map": format_map(tuple(map(tuple, changed))), "pick": None}


def _is(fixed: bool) -> str:
    return ", fixed" if fixed else ""


def _x(position: int) -> int:
    return LEFT + position * (BLOCK + GAP)


def _wire(origin: int, position: int) -> str:
    x, to = _x(origin) + BLOCK // 2, _x(position) + BLOCK // 2
    y, end = TOP + HIGH, BOTTOM
    middle = (y + end) // 2
    return f"M{x} {y}C{x} {middle} {to} {middle} {to} {end}"
