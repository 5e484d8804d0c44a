"""Find a ticket per seed, by the method that is asked for."""

from __future__ import annotations

from core.experiments.early_bird import early_bird
from core.experiments.imp import imp
from core.experiments.lab import Lab, some
from core.experiments.one_shot import one_shot
from core.jobs.datasets import DATASETS
from core.jobs.methods import EarlyBirdParameters, ImpParameters, OneShotParameters
from core.jobs.recipes import steps, steps_per_epoch
from core.jobs.specs import FindSpec


def find(spec: FindSpec, lab: Lab) -> None:
    """Run a find job: one ticket per seed goes to the lab's outcome."""
    facts = DATASETS[spec.dataset]
    network = lab.describe(spec.architecture, facts.input, facts.classes)
    recipe = spec.full_recipe
    per_epoch = steps_per_epoch(facts.train, recipe.batch)
    k, end = steps(recipe.rewind, per_epoch), steps(recipe.length, per_epoch)
    match spec.parameters:
        case ImpParameters() as parameters:
            if parameters.rewind == "init":
                k = 0
            lab.expect(len(spec.seeds) * (k + parameters.level * (end - k)))
            for seeds in some(spec.seeds, lab.at_once(network, spec.exact)):
                imp(spec, parameters, network, seeds, k, lab)
        case OneShotParameters() as parameters:
            if parameters.at == "init":
                k = 0
            lab.expect(len(spec.seeds) * k)
            for seeds in some(spec.seeds, lab.at_once(network, spec.exact)):
                one_shot(spec, parameters, network, seeds, k, lab)
        case EarlyBirdParameters() as parameters:
            lab.expect(len(spec.seeds) * end)
            for seed in spec.seeds:
                early_bird(spec, parameters, network, lab.dataset(spec.dataset), seed, lab)
        case other:
            raise AssertionError(f"no procedure for {type(other).__name__}")
