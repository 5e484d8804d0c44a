"""The weights that tickets restart from: those of a short dense training (Frankle et al., 2020)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from core.experiments.lab import Arrays, Lab, Training
from core.families.architecture import Architecture
from core.jobs.specs import FindSpec


def rewind_points(
    spec: FindSpec, network: Architecture, theta_0: Mapping[int, Arrays], k: int, lab: Lab
) -> dict[int, Arrays]:
    """θ_k of every seed: its initial weights after k steps of dense training; no data are read for k = 0."""
    if k == 0:
        return dict(theta_0)
    whole = unpruned(network)
    trainings = [
        Training(f"seed {seed}, to the rewind point", seed, weights, whole)
        for seed, weights in theta_0.items()
    ]
    dataset = lab.dataset(spec.dataset)
    trained = lab.train(
        trainings, network, dataset, spec.full_recipe, start_step=0, end_step=k, exact=spec.exact
    )
    return {seed: one.weights for seed, one in zip(theta_0, trained, strict=True)}


def unpruned(network: Architecture) -> dict[str, np.ndarray]:
    """Masks that keep every weight."""
    return {tensor.name: np.ones(tensor.shape, bool) for tensor in network.prunable}
