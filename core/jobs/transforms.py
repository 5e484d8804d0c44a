"""Plan a transformation before any ticket is touched: the target, the unit map, what is drawn afresh, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass

from core.elastic.refusal import Reason, Refused
from core.elastic.transform import check_shapes
from core.elastic.unit_map import Order, UnitMap, named_map, parse_map
from core.families import architecture
from core.families.architecture import Architecture
from core.jobs.datasets import DATASETS
from core.jobs.specs import TransformSpec


@dataclass(frozen=True)
class Plan:
    """How one network's tickets are carried to another. `fresh` tensors are drawn from the seed, dense."""

    source: Architecture
    target: Architecture
    unit_map: UnitMap
    fresh: frozenset[str]


def plan(spec: TransformSpec, source: Architecture) -> Plan:
    """Plan `spec` for tickets of `source`; raises Refused, or UnknownArchitecture for the target's name."""
    target = _target(spec, source)
    if target.family != source.family:
        raise Refused(
            Reason.STAGES_DIFFER,
            f"{source.name} is of the family {source.family} and {target.name} of {target.family};"
            " a ticket moves between members of one family",
        )
    unit_map = _unit_map(spec, source, target)
    fresh = _fresh(spec, source, target)
    _check_shapes(source, target, unit_map, fresh)
    return Plan(source, target, unit_map, fresh)


def _check_shapes(
    source: Architecture, target: Architecture, unit_map: UnitMap, fresh: frozenset[str]
) -> None:
    old, new = ({spec.name: spec.shape for spec in network.tensors} for network in (source, target))
    asked_to_be_copied = {
        "stem": target.stem - fresh if source.input != target.input else (),
        "head": target.head - fresh if source.classes != target.classes else (),
    }
    for part, names in asked_to_be_copied.items():
        for name in sorted(names):
            if old[name] != new[name]:
                raise Refused(
                    Reason.SHAPES_DIFFER,
                    f"{name} has the shape {list(old[name])}, and the target needs {list(new[name])};"
                    f" with {part}: fresh it is drawn anew",
                )
    kept = {name: shape for name, shape in new.items() if name not in fresh}
    check_shapes(old, kept, source.anatomy, target.anatomy, unit_map)


def _target(spec: TransformSpec, source: Architecture) -> Architecture:
    if spec.dataset is None:
        return architecture(spec.architecture, source.input, source.classes)
    facts = DATASETS[spec.dataset]
    return architecture(spec.architecture, facts.input, facts.classes)


def _unit_map(spec: TransformSpec, source: Architecture, target: Architecture) -> UnitMap:
    if spec.unit_map is not None:
        return parse_map(spec.unit_map, source.anatomy, target.anatomy)
    return named_map(spec.order or _natural_order(source, target), source.anatomy, target.anatomy)


def _natural_order(source: Architecture, target: Architecture) -> Order:
    units = [sum(len(stage.units) for stage in network.anatomy.stages) for network in (source, target)]
    return Order.APPEND if units[0] <= units[1] else Order.DROP_LAST


def _fresh(spec: TransformSpec, source: Architecture, target: Architecture) -> frozenset[str]:
    """A head for other classes is drawn afresh unless it must be copied; a stem only on request."""
    fresh: frozenset[str] = frozenset()
    if spec.head == "fresh" or (spec.head is None and source.classes != target.classes):
        fresh |= target.head
    if spec.stem == "fresh":
        fresh |= target.stem
    return fresh
