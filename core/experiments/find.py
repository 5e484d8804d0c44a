"""Find a ticket per seed: iterative magnitude pruning with rewinding (E-LTH, section 2), or a random mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.datasets import Dataset
from core.experiments.lab import Arrays, Lab, Training, some
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
            for seeds in some(spec.seeds, lab.at_once(network, spec.exact)):
                imp(spec, parameters, network, dataset, seeds, k, lab)
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
    seeds: Sequence[int],
    k: int,
    lab: Lab,
) -> None:
    """IMP: train to step k once; then per level train from θ_k to the end, prune by magnitude, rewind to θ_k.

    The seeds know nothing of each other; they only take their steps together.
    """
    recipe = spec.full_recipe
    whole = {tensor.name: np.ones(tensor.shape, bool) for tensor in network.prunable}
    masks = dict.fromkeys(seeds, whole)
    theta_0: dict[int, Arrays] = {seed: initial(network, seed) for seed in seeds}
    theta_k = theta_0
    if k > 0:
        trainings = [
            Training(f"seed {seed}, to the rewind point", seed, theta_0[seed], masks[seed]) for seed in seeds
        ]
        trained = lab.train(trainings, network, dataset, recipe, start_step=0, end_step=k, exact=spec.exact)
        theta_k = {seed: one.weights for seed, one in zip(seeds, trained, strict=True)}
    for level in range(parameters.level):
        trainings = [
            Training(f"seed {seed}, level {level}", seed, theta_k[seed], masks[seed]) for seed in seeds
        ]
        trained = lab.train(trainings, network, dataset, recipe, start_step=k, exact=spec.exact)
        for seed, one in zip(seeds, trained, strict=True):
            lab.record_run(
                one,
                network,
                dataset,
                seed=seed,
                order_seed=seed,
                start_step=k,
                masks=masks[seed],
                level=level,
            )
            masks[seed] = prune(one.weights, masks[seed], parameters.fraction, recipe.dense)
    for seed in seeds:
        lab.produce(
            Ticket.from_dense(network, k, masks[seed], theta_k[seed]),
            Metadata(
                dataset=spec.dataset,
                method="imp",
                seed=seed,
                level=parameters.level,
                details={"fraction": parameters.fraction, "recipe": recipe.model_dump(mode="json")},
            ),
            {0: theta_0[seed], k: theta_k[seed]},
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
