"""Train tickets from their rewind points, or networks from their initialisation, dense or dynamically sparse."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.datasets import Dataset
from core.experiments.lab import Lab, Training, some
from core.experiments.rewinding import unpruned
from core.families.architecture import Architecture
from core.jobs.recipes import steps, steps_per_epoch
from core.jobs.specs import TrainSpec
from core.models.initial import initial
from core.pruning.evolution import Evolution
from core.pruning.random import random_scores
from core.pruning.select import choose

log = logging.getLogger(__name__)

Masks = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Start:
    """Where one training begins. `seed` is the replicate's; a ticket without one counts as replicate 0.

    `evolution`: how the masks change from there, if they do.
    """

    network: Architecture
    weights: Mapping[str, NDArray[Any]]
    masks: Masks
    step: int
    seed: int
    ticket_id: str | None = None
    evolution: Evolution | None = None


def train(spec: TrainSpec, lab: Lab) -> None:
    """Run a train job: every start once under its own data order, or once per order seed."""
    dataset = lab.dataset(spec.dataset)
    recipe = spec.full_recipe
    end = steps(recipe.length, steps_per_epoch(dataset.facts.train, recipe.batch))
    plan = [
        (start, order_seed)
        for start in starts(spec, dataset, lab)
        for order_seed in spec.order_seeds or [start.seed]
    ]
    lab.expect(sum(end - start.step for start, _ in plan))
    evolving = any(start.evolution for start, _ in plan)
    numbered = enumerate(plan, 1)
    for (network, step), alike in groupby(numbered, lambda one: (one[1][0].network, one[1][0].step)):
        for several in some(list(alike), lab.at_once(network, spec.exact, evolving=evolving)):
            trainings = [
                Training(
                    f"{number} of {len(plan)}: seed {start.seed}{_order(start.seed, order_seed)}",
                    order_seed,
                    start.weights,
                    start.masks,
                    start.evolution,
                )
                for number, (start, order_seed) in several
            ]
            trained = lab.train(trainings, network, dataset, recipe, start_step=step, exact=spec.exact)
            for (_, (start, order_seed)), one in zip(several, trained, strict=True):
                lab.record_run(
                    one,
                    network,
                    dataset,
                    seed=start.seed,
                    order_seed=order_seed,
                    start_step=step,
                    masks=one.masks or start.masks,
                    ticket_id=start.ticket_id,
                )


def _order(seed: int, order_seed: int) -> str:
    return "" if order_seed == seed else f", data order {order_seed}"


def starts(spec: TrainSpec, dataset: Dataset, lab: Lab) -> Iterator[Start]:
    """The trainings' starting points.

    A ticket continues the schedule and the data order of the dataset it was found on at its rewind step; on another
    dataset, or on one its file does not name, the schedule starts at step 0.
    """
    if spec.architecture is not None:
        network = lab.describe(spec.architecture, dataset.facts.input, dataset.facts.classes)
        for seed in spec.seeds or [0]:
            yield from_step_0(spec, network, dataset, seed)
        return
    for number, identity in enumerate(spec.tickets or ()):
        file = lab.ticket(identity)
        ticket = file.ticket
        fits(ticket.architecture, dataset)
        seed = spec.seeds[number] if spec.seeds else file.metadata.seed or 0
        step = ticket.rewind_step if file.metadata.dataset == dataset.name else 0
        yield Start(ticket.architecture, ticket.weights(), ticket.bool_masks(), step, seed, identity)


def from_step_0(spec: TrainSpec, network: Architecture, dataset: Dataset, seed: int) -> Start:
    """A network's initialisation: dense, or under the random masks that a sparsity schedule begins with."""
    schedule, weights = spec.sparsity_schedule, initial(network, seed)
    if schedule is None:
        return Start(network, weights, unpruned(network), 0, seed)
    recipe = spec.full_recipe
    length = steps(recipe.length, steps_per_epoch(dataset.facts.train, recipe.batch))
    masks = choose(
        random_scores({tensor.name: tensor.shape for tensor in network.prunable}, seed, recipe.dense),
        schedule.survivors_of(network.prunable_weights),
        scope=schedule.scope,
        dense=recipe.dense,
    )
    empty = [name for name, mask in masks.items() if not mask.any()]
    if empty:
        log.warning("no weight survives in %s", ", ".join(empty))
    return Start(network, weights, masks, 0, seed, evolution=Evolution.of(schedule, length, seed))


def fits(network: Architecture, dataset: Dataset) -> None:
    """Raise ValueError unless the network takes the dataset's images and knows its classes."""
    if (network.input, network.classes) != (dataset.facts.input, dataset.facts.classes):
        raise ValueError(
            f"{network.name} takes {list(network.input)} and {network.classes} classes, {dataset.name} has"
            f" {list(dataset.facts.input)} and {dataset.facts.classes}: transform the ticket to this dataset first"
        )
