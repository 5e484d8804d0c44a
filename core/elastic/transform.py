"""The Elastic Ticket Transformation: a ticket's tensors carried along a unit map (E-LTH, section 3).

To stretch is to replicate units, to squeeze is to drop them. Masks, weights and normalisation of a unit
travel together; what belongs to no unit is copied as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeVar

from core.elastic.anatomy import Anatomy, Entry, Stage
from core.elastic.pairing import paired_stages
from core.elastic.refusal import Reason, Refused
from core.elastic.unit_map import UnitMap, validate

T = TypeVar("T")


class Copy(NamedTuple):
    """One tensor of the target, its source, and the stage and position that it belongs to, if any."""

    target: str
    source: str
    stage: str | None = None
    unit: int | None = None


def copies(source: Anatomy, target: Anatomy, unit_map: UnitMap) -> tuple[Copy, ...]:
    """Where each tensor of the target comes from: fixed tensors first, then the stages in order.

    Raises `Refused` for a map that is not valid (`validate`), and where the fixed tensors or the local names
    of a mapped pair differ.
    """
    validate(unit_map, source, target)
    if set(source.fixed) != set(target.fixed):
        raise Refused(
            Reason.FIXED_DIFFER,
            f"the networks do not share the fixed tensors {_few(set(source.fixed) ^ set(target.fixed))}; "
            "a ticket moves between members of one family",
        )
    result = [Copy(name, name) for name in target.fixed]
    for origins, (old, new) in zip(unit_map, paired_stages(source, target), strict=True):
        for position, origin in enumerate(origins):
            result += _entry_copies(old.entries[origin], new.entries[position], new, position)
    return tuple(result)


def sources(source: Anatomy, target: Anatomy, unit_map: UnitMap) -> dict[str, str]:
    """For each tensor of the target the name of the source's tensor; raises as `copies` does."""
    return {copy.target: copy.source for copy in copies(source, target, unit_map)}


def transform(named: Mapping[str, T], source: Anatomy, target: Anatomy, unit_map: UnitMap) -> dict[str, T]:
    """The target's values, each the very object that `named` holds for its source: no memory is copied.

    A value may be anything: a mask, packed or not, a weight, a statistic. `named` may cover a part of the
    network (masks have no biases); the result covers the same part of the target. Raises as `copies` does.
    """
    return {
        name: named[origin] for name, origin in sources(source, target, unit_map).items() if origin in named
    }


def check_shapes(
    source_shapes: Mapping[str, tuple[int, ...]],
    target_shapes: Mapping[str, tuple[int, ...]],
    source: Anatomy,
    target: Anatomy,
    unit_map: UnitMap,
) -> None:
    """Raise `Refused` unless every tensor to be copied has the shape that its place in the target has.

    Leave out of `target_shapes` what will be drawn afresh instead of copied (a head for other classes).
    """
    for copy in copies(source, target, unit_map):
        if copy.target not in target_shapes:
            continue
        shape, wanted = tuple(source_shapes[copy.source]), tuple(target_shapes[copy.target])
        if shape != wanted:
            raise Refused(
                Reason.SHAPES_DIFFER,
                f"{copy.source} has shape {list(shape)}, {copy.target} of the target needs {list(wanted)}",
                copy.stage,
                copy.unit,
            )


def _entry_copies(old: Entry, new: Entry, stage: Stage, position: int) -> Iterator[Copy]:
    if old.tensors.keys() != new.tensors.keys():
        raise Refused(
            Reason.UNITS_DIFFER,
            f"its source does not share the tensors {_few(set(old.tensors) ^ set(new.tensors))}; "
            "only units with the same tensors are interchangeable",
            stage.name,
            position,
        )
    return (Copy(name, old.tensors[local], stage.name, position) for local, name in new.tensors.items())


def _few(names: set[str]) -> str:
    """The first few names of a difference that may be long."""
    shown = sorted(names)[:4]
    return ", ".join(shown) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
