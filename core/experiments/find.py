"""Find a ticket per seed: iterative magnitude pruning with rewinding (E-LTH, section 2), or a random mask."""

from __future__ import annotations

import numpy as np

from core.datasets import Dataset
from core.experiments.lab import Arrays, Lab
from core.families.architecture import Architecture
from core.jobs.datasets import DATASETS
from core.jobs.methods import ImpParameters, RandomParameters
from core.jobs.recipes import steps, steps_per_epoch
from core.jobs.specs import FindSpec
from core.models.initial import initial
from core.pruning.magnitude import prune
from core.pruning.random import random_mask
from core.tickets import Metadata, Ticket


def find(spec: FindSpec, lab: Lab) -> None:
    """Run a find job: one ticket per seed goes to the lab's outcome."""
    match spec.parameters:
        case ImpParameters() as parameters:
            dataset = lab.dataset(spec.dataset)
            network = lab.describe(spec.architecture, dataset.facts.input, dataset.facts.classes)
            recipe = spec.full_recipe
            per_epoch = steps_per_epoch(dataset.facts.train, recipe.batch)
            k, end = steps(recipe.rewind, per_epoch), steps(recipe.length, per_epoch)
            lab.expect(len(spec.seeds) * (k + parameters.level * (end - k)))
            for seed in spec.seeds:
                imp(spec, parameters, network, dataset, seed, k, lab)
        case RandomParameters() as parameters:
            for seed in spec.seeds:
                random(spec, parameters, seed, lab)
        case other:
            raise AssertionError(f"no procedure for {type(other).__name__}")


def imp(
    spec: FindSpec,
    parameters: ImpParameters,
    network: Architecture,
    dataset: Dataset,
    seed: int,
    k: int,
    lab: Lab,
) -> None:
    """IMP: train to step k once; then per level train from θ_k to the end, prune by magnitude, rewind to θ_k."""
    recipe = spec.full_recipe
    masks = {tensor.name: np.ones(tensor.shape, bool) for tensor in network.prunable}
    theta_0: Arrays = initial(network, seed)
    theta_k = theta_0
    if k > 0:
        theta_k = lab.train(
            f"seed {seed}, to the rewind point",
            network,
            dataset,
            recipe,
            seed=seed,
            weights=theta_0,
            masks=masks,
            start_step=0,
            end_step=k,
            exact=spec.exact,
        ).weights
    for level in range(parameters.level):
        trained = lab.train(
            f"seed {seed}, level {level}",
            network,
            dataset,
            recipe,
            seed=seed,
            weights=theta_k,
            masks=masks,
            start_step=k,
            exact=spec.exact,
        )
        survivors = sum(int(mask.sum()) for mask in masks.values())
        lab.record_run(
            trained,
            network,
            dataset,
            seed=seed,
            order_seed=seed,
            start_step=k,
            sparsity=(network.prunable_weights - survivors) / network.prunable_weights,
            exact=spec.exact,
            level=level,
        )
        masks = prune(trained.weights, masks, parameters.fraction, recipe.dense)
    lab.produce(
        Ticket.from_dense(network, k, masks, theta_k),
        Metadata(
            dataset=spec.dataset,
            method="imp",
            seed=seed,
            level=parameters.level,
            details={"fraction": parameters.fraction, "recipe": recipe.model_dump(mode="json")},
        ),
        {0: theta_0, k: theta_k},
    )


def random(spec: FindSpec, parameters: RandomParameters, seed: int, lab: Lab) -> None:
    """A random mask with exactly the asked number of survivors, over the seed's initial weights."""
    facts = DATASETS[spec.dataset]
    network = lab.describe(spec.architecture, facts.input, facts.classes)
    shapes = {tensor.name: tensor.shape for tensor in network.prunable}
    masks = random_mask(shapes, parameters.survivors, seed, spec.full_recipe.dense)
    theta_0 = initial(network, seed)
    lab.produce(
        Ticket.from_dense(network, 0, masks, theta_0),
        Metadata(dataset=spec.dataset, method="random", seed=seed),
        {0: theta_0},
    )
