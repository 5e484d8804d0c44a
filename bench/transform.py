"""Processor time and memory of transforming a ticket of 25 million weights, beside copying dense state dicts.

Each measurement runs in a process of its own: read the file, transform, write the new file. The reference does what
the paper's own code does: dense weights and dense int32 masks, every tensor cloned to its place.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from core.elastic.transform import sources
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.specs import TransformSpec
from core.jobs.transforms import carry, plan
from core.pruning.levels import survivors_at
from core.pruning.random import random_mask
from core.tickets import Metadata, Ticket, read, ticket_id, write

REPEATS = 5
SOURCE = "imagenet_resnet_50"
INPUT, CLASSES = (3, 224, 224), 1000
CASES = {
    "stretch": "imagenet_resnet_101",
    "widen": "imagenet_resnet_50_80",
    "narrow": "imagenet_resnet_50_48",
}
LEVELS = (0, 10)


def compare() -> list[dict[str, Any]]:
    """Medians over `REPEATS` processes, at 0 and 89.26 % sparsity; peaks over the source's dense bytes."""
    found = []
    for level in LEVELS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _prepare(folder, level)
            for case, target in CASES.items():
                kinds = ("elasticket", "reference") if case == "stretch" else ("elasticket",)
                figures = {kind: _measured(kind, folder, target) for kind in kinds}
                found.append({"from": SOURCE, "to": target, "level": level, **figures})
    return found


def _prepare(folder: Path, level: int) -> None:
    network = architecture(SOURCE, INPUT, CLASSES)
    weights = initialise(network, 0)
    survivors = survivors_at(level, network.prunable_weights, 0.2)
    masks = random_mask({spec.name: spec.shape for spec in network.prunable}, survivors, 0)
    with (folder / "source").open("wb") as stream:
        write(Ticket.from_dense(network, 0, masks, weights), Metadata(), stream)
    save_file(weights, folder / "weights")
    save_file({name: mask.astype(np.int32) for name, mask in masks.items()}, folder / "masks")


def _measured(kind: str, folder: Path, target: str) -> dict[str, float]:
    dense = sum(4 * spec.size for spec in architecture(SOURCE, INPUT, CLASSES).tensors)
    runs = []
    for _ in range(REPEATS):
        command = [sys.executable, "-m", "bench.transform", kind, str(folder), target]
        runs.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    return {
        "cpu_seconds": round(median(run["cpu"] for run in runs), 3),
        "peak_over_dense": round(median(run["peak"] for run in runs) / dense, 2),
    }


def _ours(folder: Path, target: str) -> None:
    ticket = read(folder / "source").ticket
    spec = TransformSpec(tickets=["0" * 64], architecture=target)
    made = carry(plan(spec, ticket.architecture, architecture), ticket, 0, lambda _: None)
    with (folder / "made").open("wb") as stream:
        write(made, Metadata(), stream)
    ticket_id(made)


def _reference(folder: Path, target: str) -> None:
    old, new = (architecture(name, INPUT, CLASSES) for name in (SOURCE, target))
    spec = TransformSpec(tickets=["0" * 64], architecture=target)
    origin = sources(old.anatomy, new.anatomy, plan(spec, old, architecture).unit_map)
    weights, masks = load_file(folder / "weights"), load_file(folder / "masks")
    save_file({name: weights[origin[name]].copy() for name in new.specs}, folder / "made")
    save_file({spec.name: masks[origin[spec.name]].copy() for spec in new.prunable}, folder / "made_masks")


def _run(work: Callable[[Path, str], None], folder: Path, target: str) -> dict[str, float]:
    """Processor seconds, and the bytes by which the peak exceeds the process before the work."""
    before = _peak()
    began = time.process_time()
    work(folder, target)
    seconds = time.process_time() - began
    return {"cpu": seconds, "peak": _peak() - before}


def _peak() -> int:
    """The most memory that was ever resident; getrusage's figure is inherited from the parent process."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024


if __name__ == "__main__":
    asked, where, wanted = sys.argv[1:]
    print(json.dumps(_run(_ours if asked == "elasticket" else _reference, Path(where), wanted)))
