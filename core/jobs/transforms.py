"""Plan a transformation before any ticket is touched, and carry tickets along a plan. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from numpy.typing import NDArray

from core.elastic.refusal import Reason, Refused
from core.elastic.transform import check_shapes, transform
from core.elastic.unit_map import UnitMap, compose, named_map, parse_map
from core.families.architecture import Architecture
from core.families.initialisation import initialise
from core.families.likeness import as_member
from core.families.registry import member
from core.jobs.datasets import DATASETS
from core.jobs.specs import Hop, TransformSpec
from core.tickets import Ticket
from core.tickets.carry import (
    over,
    permuted,
    refitted,
    replicas,
    replicate_or_drop,
    rescaled,
    with_fresh_norm,
)
from core.tickets.metadata import Describe

DenseWeights = Callable[[int], Mapping[str, NDArray[Any]] | None]
"""The dense weights that a ticket's mask was laid over at a step, where they were kept."""


@dataclass(frozen=True)
class Plan:
    """How one network's tickets are carried to another: by depth, then by width, then to another input and classes.

    `deep` has the target's depth and the source's width, `wide` both of the target; both have the source's input
    and classes. The `fresh` tensors of `target` are drawn, and dense.
    """

    spec: TransformSpec
    source: Architecture
    deep: Architecture
    wide: Architecture
    target: Architecture
    unit_map: UnitMap
    fresh: frozenset[str]


def plan(spec: TransformSpec, source: Architecture, describe: Describe) -> Plan:
    """Plan `spec` for tickets of `source`; raises Refused, or UnknownArchitecture for a name.

    `describe` knows the architectures: the built-in ones, and those that were posted.
    """

    def like_source(name: str) -> Architecture:
        return describe(name, source.input, source.classes)

    wide = like_source(spec.architecture)
    source = _as_member(source, wide)
    _check_drawable(spec, wide)
    deep = like_source(_at_width_of(source, wide))
    members = [source, *(like_source(hop.architecture) for hop in spec.via), deep]
    for passed in members[1:-1]:
        _as_member(source, passed)
    maps = [_unit_map(hop, old, new) for hop, old, new in zip(spec.hops, members, members[1:], strict=False)]
    for old, new, one in zip(members, members[1:], maps, strict=False):
        check_shapes(_shapes(old), _shapes(new), old.anatomy, new.anatomy, one)
    target = wide
    if spec.dataset is not None:
        facts = DATASETS[spec.dataset]
        target = describe(spec.architecture, facts.input, facts.classes)
    fresh = _fresh(spec, source, target)
    _check_refit(wide, target, fresh)
    return Plan(spec, source, deep, wide, target, reduce(compose, maps), fresh)


def needed_weights(spec: TransformSpec, rewind_step: int) -> int | None:
    """The step whose dense weights a ticket of `rewind_step` needs to be carried so; None where its own suffice."""
    if spec.start == "zero" and rewind_step > 0:
        return 0
    if spec.permute is not None and spec.weights == "replicate":
        return rewind_step
    return None


def weights_missing(step: int, mask: str) -> Refused:
    """The refusal where the dense weights of a step under a mask were not kept."""
    return Refused(
        Reason.WEIGHTS_MISSING,
        f"the dense weights of step {step} under {mask} were not kept;"
        " tickets found here, and imported with them, have them",
    )


def carry(plan: Plan, ticket: Ticket, seed: int, dense_weights: DenseWeights) -> Ticket:
    """The ticket on the plan's target; `seed` draws what is drawn.

    Raises Refused where dense weights are needed and were not kept.
    """
    spec, source, deep = plan.spec, plan.source.anatomy, plan.deep
    beneath: Mapping[str, NDArray[Any]] = {}
    step = needed_weights(spec, ticket.rewind_step)
    if step is not None:
        found = dense_weights(step)
        if found is None:
            raise weights_missing(step, "this ticket's mask")
        beneath = found
    if spec.start == "zero" and ticket.rewind_step > 0:
        ticket = over(ticket, beneath, 0)
    copies = replicas(source, deep.anatomy, plan.unit_map)
    carried = replicate_or_drop(ticket, source, deep, plan.unit_map)
    if spec.permute is not None:
        beneath = (
            initialise(deep, seed)
            if spec.weights == "reinit"
            else transform(beneath, source, deep.anatomy, plan.unit_map)
        )
        carried = permuted(carried, copies, beneath, spec.permute)
    if spec.norm == "fresh":
        carried = with_fresh_norm(carried, copies, seed)
    if plan.wide.name != deep.name:
        carried = rescaled(carried, plan.wide, spec.noise, seed)
    if spec.weights == "reinit":
        carried = over(carried, initialise(plan.wide, seed), 0)
    if plan.fresh or plan.target != plan.wide:
        carried = refitted(carried, plan.target, plan.fresh, seed)
    return carried


def _as_member(source: Architecture, target: Architecture) -> Architecture:
    """The source as a member of the target's family, with the same weights prunable; raises Refused."""
    found = as_member(source, target)
    if found is not None and _prunable(found) == _prunable(source):
        return found
    raise Refused(
        Reason.STAGES_DIFFER,
        f"{source.name} is of the family {source.family} and {target.name} of {target.family};"
        " a ticket moves between members of one family",
    )


def _check_drawable(spec: TransformSpec, target: Architecture) -> None:
    """A posted network is names and shapes: how its tensors start, and which are its head, is not known."""
    asked = {"weights": spec.weights == "reinit", "norm": spec.norm == "fresh"}
    asked |= {"head": spec.head == "fresh", "stem": spec.stem == "fresh"}
    for option, drawn in asked.items():
        if drawn and target.definition:
            raise Refused(
                Reason.UNDRAWABLE,
                f"{target.name} is a posted architecture: how its tensors start, and which are its head and its"
                f" stem, is not known; leave {option} out",
            )


def _at_width_of(source: Architecture, target: Architecture) -> str:
    """The name of the member that has the target's depth and the source's width; posted families have one width."""
    if target.definition:
        return target.name
    return member(target.name).with_width_of(member(source.name)).name


def _unit_map(hop: Hop, old: Architecture, new: Architecture) -> UnitMap:
    if hop.unit_map is not None:
        return parse_map(hop.unit_map, old.anatomy, new.anatomy)
    return named_map(hop.order, old.anatomy, new.anatomy, hop.replicate)


def _prunable(network: Architecture) -> set[str]:
    return {spec.name for spec in network.prunable}


def _shapes(network: Architecture) -> dict[str, tuple[int, ...]]:
    return {spec.name: spec.shape for spec in network.tensors}


def _fresh(spec: TransformSpec, source: Architecture, target: Architecture) -> frozenset[str]:
    """A head for other classes is drawn afresh unless it must be copied; a stem only on request."""
    fresh: frozenset[str] = frozenset()
    if spec.head == "fresh" or (spec.head is None and source.classes != target.classes):
        fresh |= target.head
    if spec.stem == "fresh":
        fresh |= target.stem
    return fresh


def _check_refit(wide: Architecture, target: Architecture, fresh: frozenset[str]) -> None:
    """Refuse what would be copied into another shape because input or classes differ."""
    parts = dict.fromkeys(target.head, "head") | dict.fromkeys(target.stem, "stem")
    for name, shape in _shapes(target).items():
        if name not in fresh and wide.specs[name].shape != shape:
            part = parts.get(name)
            advice = f"; with {part}: fresh it is drawn anew" if part else ""
            raise Refused(
                Reason.SHAPES_DIFFER,
                f"{name} has the shape {list(wide.specs[name].shape)}, and the target needs {list(shape)}{advice}",
            )
