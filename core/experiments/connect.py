"""Linear mode connectivity of two trainings (Frankle et al., 2020, section 2; E-LTH's analysis)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.experiments.evaluate import measured
from core.experiments.lab import Arrays, Lab
from core.jobs.outcome import ResultRecord
from core.jobs.specs import ConnectSpec
from core.tickets.weights import read_weights


def connect(spec: ConnectSpec, lab: Lab) -> None:
    """Run a connect job: the test accuracy at every α on the line from the first network to the second."""
    assert spec.dataset is not None, "admission names it"
    dataset = lab.dataset(spec.dataset)
    first, second = lab.inputs.weights
    network = lab.describe(first.architecture, first.input, first.classes)
    ends = read_weights(Path(first.path)), read_weights(Path(second.path))
    lab.expect(spec.points)
    for number in range(spec.points):
        alpha = number / (spec.points - 1)
        found = measured(network, between(*ends, alpha), dataset, lab.device)
        lab.outcome.results.append(
            ResultRecord(
                dataset=dataset.name,
                point="between",
                correct=found.correct,
                total=found.total,
                loss=found.loss,
                ticket_id=first.ticket_id,
                seed=first.seed,
                alpha=alpha,
            )
        )
        lab.journal.progress(number + 1, spec.points, f"α = {alpha:.2f}")


def between(first: Arrays, second: Arrays, alpha: float) -> Arrays:
    """(1 − α) · first + α · second, running statistics included, as the reference implementation does.

    Counters of batches are those of the first. At α = 0 and 1 all other tensors are the ends' own, bit for bit.
    """
    return {
        name: values
        if values.dtype.kind != "f" or alpha == 0
        else second[name]
        if alpha == 1
        else np.float32(1 - alpha) * values + np.float32(alpha) * second[name]
        for name, values in first.items()
    }
