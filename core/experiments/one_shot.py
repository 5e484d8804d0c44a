"""Tickets of the methods that look at a network once, at its initialisation or at the rewind point, and prune it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.datasets import Batch
from core.experiments.lab import Arrays, Lab
from core.experiments.rewinding import rewind_points
from core.families.architecture import Architecture
from core.jobs.methods import (
    ForceParameters,
    GraspParameters,
    MagnitudeParameters,
    OneShotParameters,
    RandomParameters,
    SnipParameters,
    SynflowParameters,
)
from core.jobs.specs import FindSpec
from core.models import build
from core.models.initial import initial
from core.models.state import load_state
from core.pruning.force import force
from core.pruning.grasp import balanced_halves, grasp
from core.pruning.random import random_scores
from core.pruning.select import choose
from core.pruning.snip import snip
from core.pruning.synflow import synflow
from core.tickets import Metadata, Ticket
from core.training.exactness import arithmetic

OTHER = 1 << 31
"""Above every seed that may be asked for: the initialisation of seed + OTHER is nobody's."""


def one_shot(
    spec: FindSpec,
    parameters: OneShotParameters,
    network: Architecture,
    seeds: Sequence[int],
    k: int,
    lab: Lab,
) -> None:
    """Per seed, the method's mask over θ_k, which is the initialisation where k is 0."""
    theta_0: dict[int, Arrays] = {seed: initial(network, seed) for seed in seeds}
    theta_k = rewind_points(spec, network, theta_0, k, lab)
    for seed in seeds:
        with arithmetic(exact=True):
            masks = _masks(spec, parameters, network, theta_k[seed], seed, lab)
        lab.produce(
            Ticket.from_dense(network, k, masks, theta_k[seed]),
            Metadata(
                dataset=spec.dataset,
                method=spec.method,
                seed=seed,
                details={
                    **parameters.model_dump(mode="json", exclude_none=True),
                    "recipe": spec.full_recipe.model_dump(mode="json"),
                },
            ),
            {0: theta_0[seed], k: theta_k[seed]},
        )


def _masks(
    spec: FindSpec,
    parameters: OneShotParameters,
    network: Architecture,
    weights: Arrays,
    seed: int,
    lab: Lab,
) -> dict[str, NDArray[np.bool_]]:
    recipe = spec.full_recipe
    names = [tensor.name for tensor in network.prunable]
    select = partial(choose, scope=parameters.scope, pattern=parameters.pattern, dense=recipe.dense)
    # A pattern N:M says itself how many survive.
    survivors = parameters.survivors_of(network.prunable_weights) if parameters.has_budget else 0

    def batches(size: int) -> Iterator[Batch]:
        dataset = lab.dataset(spec.dataset)
        drawn = dataset.batches(batch=size, seed=seed, augment=recipe.augment, device=lab.device)
        return (drawn.at(step) for step in range(drawn.steps_per_epoch))

    match parameters:
        case MagnitudeParameters():
            return select({name: np.abs(weights[name]) for name in names}, survivors)
        case RandomParameters():
            shapes = {tensor.name: tensor.shape for tensor in network.prunable}
            return select(random_scores(shapes, seed, recipe.dense), survivors)
        case SnipParameters():
            scored = initial(network, seed + OTHER) if parameters.fresh_init else weights
            model = _loaded(network, scored, lab.device, parameters.batch_norm)
            images, labels = next(batches(parameters.batch))
            return snip(model, names, images, labels, survivors, parameters.rounds, select)
        case ForceParameters():
            model = _loaded(network, weights, lab.device, parameters.batch_norm)
            images, labels = next(batches(parameters.batch))
            return force(model, names, images, labels, survivors, parameters.rounds, select)
        case GraspParameters():
            model = _loaded(network, weights, lab.device, "train")
            halves = balanced_halves(batches(recipe.batch), network.classes, parameters.per_class)
            return grasp(model, names, halves, survivors, select)
        case SynflowParameters():
            model = _loaded(network, weights, lab.device, "eval")
            return synflow(model, names, network.input, survivors, parameters.rounds, select)
        case other:
            raise AssertionError(f"no procedure for {type(other).__name__}")


def _loaded(network: Architecture, weights: Arrays, device: torch.device, batch_norm: str) -> nn.Module:
    """A copy of the network that may be changed, its normalisation by its batch or by running statistics."""
    model = build(network)
    load_state(model, weights)
    return model.to(device).train(batch_norm == "train")
