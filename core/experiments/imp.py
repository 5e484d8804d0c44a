"""Iterative magnitude pruning with rewinding (E-LTH, section 2; Frankle et al., 2020; Renda et al., 2020)."""

from __future__ import annotations

from collections.abc import Sequence

from core.experiments.lab import Arrays, Lab, Training
from core.experiments.rewinding import rewind_points, unpruned
from core.families.architecture import Architecture
from core.jobs.methods import ImpParameters
from core.jobs.specs import FindSpec
from core.models.initial import initial
from core.pruning.magnitude import prune
from core.tickets import Metadata, Ticket


def imp(
    spec: FindSpec,
    parameters: ImpParameters,
    network: Architecture,
    seeds: Sequence[int],
    k: int,
    lab: Lab,
) -> None:
    """IMP: train to step k once; then per level train from θ_k to the end, prune by magnitude, rewind to θ_k.

    Under learning-rate rewinding only the schedule goes back to step k, and the weights stay as they were trained. The
    seeds know nothing of each other; they only take their steps together.
    """
    recipe, dataset = spec.full_recipe, lab.dataset(spec.dataset)
    masks = dict.fromkeys(seeds, unpruned(network))
    theta_0: dict[int, Arrays] = {seed: initial(network, seed) for seed in seeds}
    start = rewind_points(spec, network, theta_0, k, lab)
    for level in range(parameters.level):
        trainings = [
            Training(f"seed {seed}, level {level}", seed, start[seed], masks[seed]) for seed in seeds
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
            masks[seed] = prune(one.weights, masks[seed], parameters.fraction, recipe.dense, parameters.scope)
            if parameters.rewind == "learning_rate":
                start[seed] = one.weights
    for seed in seeds:
        lab.produce(
            Ticket.from_dense(network, k, masks[seed], start[seed]),
            Metadata(
                dataset=spec.dataset,
                method="imp",
                seed=seed,
                level=parameters.level,
                details={
                    **parameters.model_dump(mode="json", exclude={"level"}),
                    "recipe": recipe.model_dump(mode="json"),
                },
            ),
            {0: theta_0[seed], k: start[seed]},
        )
