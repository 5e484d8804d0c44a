"""What sparsity is worth on this machine, layer by layer: dense against compressed sparse rows, and the break-even."""

from __future__ import annotations

from typing import Any

import torch

from bench.cases import CASES, Case, start
from core.experiments.latency import latency
from core.tickets import Ticket


def compare() -> list[dict[str, Any]]:
    """Every case's network under a random mask of level 10, in evaluation mode, at batch 1 and 128."""
    return [_timed(case) for case in CASES.values()]


def _timed(case: Case) -> dict[str, Any]:
    network = case.architecture
    weights, masks = start(network, case.recipe, 0)
    ticket = Ticket.from_dense(network, 0, masks, weights)
    found = latency(ticket, torch.device("cpu"))
    return {"network": case.network, "threads": found["machine"]["threads"], "batches": found["batches"]}
