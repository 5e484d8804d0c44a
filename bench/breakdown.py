"""What a step of our loop spends its time on, by torch's profiler, while the machine is as full as in the benchmark.

An epoch is timed without the profiler and one with it, both from the second step to the last but one: what is left of
the wall time beside the operators is Python, dispatch and the profiler itself.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from bench.cases import CASES, Case
from bench.fleet import Fleet, Gate
from bench.layouts import Layout
from bench.ours import Follower, Variant, run
from core.jobs.recipes import steps_per_epoch
from core.training.checkpoint import EpochRecord

CATEGORIES = {
    "products": ("convolution", "linear", "mm", "bmm", "matmul", "sparse_sampled"),
    "normalisation": ("batch_norm",),
    "optimizer": ("_fused_", "optimizer"),
    "masks": ("_foreach_mul", "masked_fill"),
    "data": ("index", "gather", "constant_pad", "div_", "sub_", "remainder"),
    "loss": ("log_softmax", "nll_loss", "cross_entropy"),
}
"""Which operators are what, by parts of their names; the first that matches counts, and the rest is elementwise."""

ELEMENTWISE = "elementwise and copies"
OUTSIDE = "outside operators"


def breakdown(case: Case, variant: Variant, layout: Layout) -> dict[str, Any]:
    """Milliseconds of one seed's step, without the profiler, and with it by category."""
    work = {"case": case.network, "mode": variant.mode, "seeds": variant.seeds, "images": case.images}
    with Fleet("bench.breakdown", work, layout) as fleet:
        timed = max(answer["step"] for answer in fleet.run())
        profiled = fleet.run()[0]
    spent = dict.fromkeys((*CATEGORIES, ELEMENTWISE), 0.0)
    for operator, seconds in profiled["operators"].items():
        spent[category(operator)] += seconds
    spent[OUTSIDE] = max(0.0, profiled["step"] - sum(spent.values()))
    return {
        "step_ms": round(timed / variant.seeds * 1000, 3),
        "profiled_ms": {name: round(value / variant.seeds * 1000, 3) for name, value in spent.items()},
    }


def category(operator: str) -> str:
    """Of an operator by its name in the profile."""
    name = operator.lower()
    for found, parts in CATEGORIES.items():
        if any(part in name for part in parts):
            return found
    return ELEMENTWISE


class _Stopwatch(Follower):
    """Times one epoch between gates, then profiles the next."""

    def __init__(self, gate: Gate, per_epoch: int) -> None:
        self._gate, self._per_epoch = gate, per_epoch
        self._profile: profile | None = None
        self._epochs = 0
        self._began = self._seconds = 0.0

    def step(self, step: int, total: int) -> None:
        position = (step - 1) % self._per_epoch + 1
        if position == 1:
            if self._epochs == 2:
                self._profile = profile(activities=[ProfilerActivity.CPU])
                self._profile.start()
            self._began = time.perf_counter()
        elif position == self._per_epoch - 1:
            self._seconds = time.perf_counter() - self._began
            if self._profile:
                self._profile.stop()

    def epoch(self, record: EpochRecord) -> None:
        steps = self._per_epoch - 2
        operators = {}
        if self._profile:
            operators = {
                event.key: event.self_cpu_time_total / 1e6 / steps for event in self._profile.key_averages()
            }
        self._epochs += 1
        self._gate(step=self._seconds / steps, operators=operators)


def _main(work: dict[str, Any]) -> None:
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    torch.set_num_threads(work["threads"])
    case = CASES[work["case"]]
    per_epoch = steps_per_epoch(work["images"], case.recipe.batch)
    run(case, Variant(work["mode"], work["seeds"]), work["images"], _Stopwatch(Gate(), per_epoch))


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
