"""Measure networks on a dataset's test images without training them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from core.datasets import Dataset
from core.experiments.lab import Arrays, Lab
from core.experiments.latency import latency
from core.experiments.train import fits
from core.families.architecture import Architecture
from core.jobs.outcome import ResultRecord
from core.jobs.specs import EvaluateSpec
from core.models import build
from core.models.state import load_state
from core.tickets.weights import read_weights
from core.training.evaluation import Evaluation
from core.training.evaluation import evaluate as measure


def evaluate(spec: EvaluateSpec, lab: Lab) -> None:
    """Run an evaluate job: one result per ticket, or per training of the job named."""
    dataset = lab.dataset(spec.dataset)
    for identity in spec.tickets or ():
        file = lab.ticket(identity)
        ticket = file.ticket
        timed = latency(ticket, lab.device) if spec.latency else None
        result(ticket.architecture, ticket.weights(), dataset, lab, identity, file.metadata.seed, timed)
    for trained in lab.inputs.weights:
        network = lab.describe(trained.architecture, trained.input, trained.classes)
        result(network, read_weights(Path(trained.path)), dataset, lab, trained.ticket_id, trained.seed)


def measured(network: Architecture, weights: Arrays, dataset: Dataset, device: torch.device) -> Evaluation:
    """A network's accuracy and loss on the test images; raises ValueError where the loss is not finite."""
    fits(network, dataset)
    model = build(network)
    load_state(model, weights)
    model.to(device).eval()
    (found,) = measure(lambda images: model(images).unsqueeze(0), dataset.test_batches(device))
    if not math.isfinite(found.loss):
        raise ValueError(
            f"the loss of {network.name} on {dataset.name} is {found.loss}: its weights are too large"
        )
    return found


def result(
    network: Architecture,
    weights: Arrays,
    dataset: Dataset,
    lab: Lab,
    ticket_id: str | None,
    seed: int | None,
    timed: dict[str, Any] | None = None,
) -> None:
    """Enter one network's test accuracy into the lab's outcome, and its latency where it was timed."""
    found = measured(network, weights, dataset, lab.device)
    lab.outcome.results.append(
        ResultRecord(
            dataset=dataset.name,
            point="evaluate",
            correct=found.correct,
            total=found.total,
            loss=found.loss,
            ticket_id=ticket_id,
            seed=seed,
            latency=timed,
        )
    )
