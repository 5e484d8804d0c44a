"""The machine's own ceiling for a step of our loop, and what share of it the loop reaches.

The ceiling is the time of the step's products alone, in as many processes and threads as the loop had, all busy.
"""

from __future__ import annotations

import json
import sys
from statistics import median
from typing import Any

import torch

from bench.breakdown import breakdown
from bench.cases import CASES, Case
from bench.fleet import Fleet, Gate
from bench.layouts import Layout
from bench.ours import Variant
from bench.products import DTYPES, medians, square, step_products

REPEATS = 3
SECONDS = 0.4


def roofline(case: Case, variant: Variant, layout: Layout) -> dict[str, Any]:
    """A seed's step of our loop against its products alone, as one process of the layout sees both."""
    alone = _products(case, variant.mode, layout)
    ours = breakdown(case, variant, layout)
    return {
        "network": case.network,
        "mode": variant.mode,
        "seeds": variant.seeds,
        "layout": layout.as_json(),
        "ceiling": alone,
        "ours": ours,
        "share": round(alone["step_ms"] / ours["step_ms"], 3),
    }


def _products(case: Case, mode: str, layout: Layout) -> dict[str, Any]:
    """Milliseconds and operations of a step's products, GFLOP/s of each kind and of a large square one."""
    with Fleet("bench.ceiling", {"case": case.network, "mode": mode}, layout) as fleet:
        answers = [answer for _ in range(REPEATS) for answer in fleet.run()]
    seconds = [median(times) for times in zip(*(answer["seconds"] for answer in answers), strict=True)]
    # The last is the square one, which is no part of a step.
    *calls, large = zip(answers[0]["labels"], answers[0]["flops"], seconds, strict=True)
    kinds: dict[str, list[float]] = {}
    for label, flops, spent in calls:
        kind = kinds.setdefault(label, [0, 0, 0])
        kind[:] = kind[0] + 1, kind[1] + flops, kind[2] + spent
    return {
        "step_ms": round(sum(spent for *_, spent in calls) * 1000, 3),
        "step_gflop": round(sum(flops for _, flops, _ in calls) / 1e9, 3),
        "square_gflops": round(large[1] / large[2] / 1e9, 1),
        "products": [
            {
                "product": label,
                "calls": count,
                "ms": round(spent * 1000, 3),
                "gflops": round(flops / spent / 1e9, 1),
            }
            for label, (count, flops, spent) in kinds.items()
        ],
    }


def _main(work: dict[str, Any]) -> None:
    torch.set_num_threads(work["threads"])
    case, dtype, gate = CASES[work["case"]], DTYPES[work["mode"]], Gate()
    step, large = step_products(case.architecture, case.recipe.batch, dtype), [square(dtype)]
    labels, flops = zip(*((product.label, product.flops) for product in step + large), strict=True)
    while True:
        seconds = medians(step, SECONDS) + medians(large, SECONDS / 4)
        gate(labels=labels, flops=flops, seconds=seconds)


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
