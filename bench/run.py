"""Run the benchmarks, or those that are named, and write what was measured to bench/results and docs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch

from bench import plans, report, sparsity, tickets, training, transform
from bench.cases import CASES
from bench.ceiling import roofline
from bench.layouts import Layout
from bench.ours import Variant


def _roofline(compared: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of every variant in the layout that was its best."""
    return [
        roofline(
            CASES[found["network"]],
            Variant(ours["mode"], ours["seeds"]),
            Layout(**ours["machine"]["layout"]),
        )
        for found in compared
        for ours in found["ours"]
    ]


PARTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "training": lambda _: [training.compare(case) for case in CASES.values()],
    "roofline": lambda measured: _roofline(measured["training"]),
    "tickets": lambda _: tickets.compare(),
    "transform": lambda _: transform.compare(),
    "sparsity": lambda _: sparsity.compare(),
    "plans": lambda _: plans.compare(),
}


def main() -> None:
    """Measure, keep, report; a part that is not named keeps its older figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    asked = parser.parse_args().parts or list(PARTS)
    if unknown := set(asked) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    torch.set_num_threads(1)
    for name, measure in PARTS.items():
        if name in asked:
            report.update(**{name: measure(report.kept())})


if __name__ == "__main__":
    main()
