"""What an Elastic Ticket Transformation does to a ticket, one step a function: each yields a new ticket.

Stretching, squeezing and widening are those of `core.elastic`; the others are the ablations of E-LTH and its refits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.elastic.anatomy import Anatomy
from core.elastic.transform import copies, transform
from core.elastic.unit_map import UnitMap
from core.elastic.width import carry_width
from core.families.architecture import Architecture, Role
from core.families.initialisation import initialise
from core.tickets.mask import Mask
from core.tickets.ticket import Ticket

Arrays = Mapping[str, NDArray[Any]]

NORMALISATION = frozenset({Role.SCALE, Role.SHIFT, Role.MEAN, Role.VARIANCE, Role.COUNT})


def replicate_or_drop(ticket: Ticket, source: Anatomy, target: Architecture, unit_map: UnitMap) -> Ticket:
    """The ticket on `target`: masks, rewound weights and normalisation follow the unit map (E-LTH, section 3).

    Arrays are shared with the ticket, not copied. Raises `Refused` for a map that is not valid.
    """

    def carried(named: Mapping[str, Any]) -> dict[str, Any]:
        return transform(named, source, target.anatomy, unit_map)

    return Ticket(
        target, ticket.rewind_step, carried(ticket.masks), carried(ticket.kept), carried(ticket.dense)
    )


def replicas(source: Anatomy, target: Anatomy, unit_map: UnitMap) -> frozenset[str]:
    """The target's tensors that are second or later copies: their source stands at an earlier position too."""
    seen: set[str] = set()
    found = set()
    for copy in copies(source, target, unit_map):
        if copy.source in seen:
            found.add(copy.target)
        seen.add(copy.source)
    return frozenset(found)


def over(ticket: Ticket, weights: Arrays, step: int) -> Ticket:
    """The ticket's mask over other weights: the whole state dict of step `step`."""
    kept = {name: weights[name][mask.to_bool()] for name, mask in ticket.masks.items()}
    dense = {name: weights[name] for name in ticket.dense}
    return Ticket(ticket.architecture, step, ticket.masks, kept, dense)


def permuted(ticket: Ticket, names: Collection[str], weights: Arrays, seed: int) -> Ticket:
    """The ticket with the masks of the tensors `names` shuffled: as many survivors, at random places.

    `weights` is the dense state dict of its step: what the new places hold. An ablation of E-LTH's (its reference
    implementation shuffles the masks of replicated copies).
    """
    masks, kept = dict(ticket.masks), dict(ticket.kept)
    for name in masks.keys() & set(names):
        shuffled = masks[name].to_bool().reshape(-1)[_shuffle(masks[name].size, seed, name)]
        masks[name] = Mask.from_bool(shuffled.reshape(masks[name].shape))
        kept[name] = weights[name].reshape(-1)[shuffled]
    return replace(ticket, masks=masks, kept=kept)


def _shuffle(size: int, seed: int, name: str) -> NDArray[np.intp]:
    # The raw stream of a bit generator never changes; NumPy's own permutation may (NEP 19). Not the stream that
    # initialises this tensor: the places would follow the values.
    stream = np.random.PCG64([seed, *f"mask of {name}".encode()])
    return np.argsort(stream.random_raw(size), kind="stable")


def with_fresh_norm(ticket: Ticket, names: Collection[str], seed: int) -> Ticket:
    """The ticket with the normalisation among the tensors `names` as it is before any training."""
    specs = ticket.architecture.specs
    chosen = [name for name in names if specs[name].role in NORMALISATION]
    return replace(ticket, dense={**ticket.dense, **initialise(ticket.architecture, seed, chosen)})


def rescaled(ticket: Ticket, target: Architecture, noise: float, seed: int) -> Ticket:
    """The ticket on a wider or narrower member of the same depth: by Net2Net, or by the weight of its channels."""
    names = ticket.architecture.specs
    carried = carry_width(
        _Made(names, ticket.weight),
        _Made(ticket.masks, lambda name: ticket.masks[name].to_bool()),
        {spec.name: spec.axes for spec in ticket.architecture.tensors},
        {spec.name: spec.shape for spec in ticket.architecture.tensors},
        {spec.name: spec.shape for spec in target.tensors},
        noise=noise,
        seed=seed,
    )
    masks, kept, dense = {}, {}, {}
    for name, weight, mask in carried:
        if mask is None:
            dense[name] = weight
        else:
            masks[name], kept[name] = Mask.from_bool(mask), weight[mask]
    return Ticket(target, ticket.rewind_step, masks, kept, dense)


class _Made(Mapping[str, NDArray[Any]]):
    """Arrays that are made when asked for: a network of any size passes through the memory of its largest tensor."""

    def __init__(self, names: Collection[str], make: Callable[[str], NDArray[Any]]) -> None:
        self._names = names
        self._make = make

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._make(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def refitted(ticket: Ticket, target: Architecture, fresh: Collection[str], seed: int) -> Ticket:
    """The ticket on the same network for another input or other classes: `fresh` tensors are drawn, and dense."""
    drawn = initialise(target, seed, fresh)
    masks, kept, dense = dict(ticket.masks), dict(ticket.kept), dict(ticket.dense)
    for name, values in drawn.items():
        if target.specs[name].prunable:
            masks[name] = Mask.from_bool(np.ones(values.shape, bool))
            kept[name] = values.ravel()
        else:
            dense[name] = values
    return Ticket(target, ticket.rewind_step, masks, kept, dense)
