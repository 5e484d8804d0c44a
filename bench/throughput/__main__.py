"""Measure how many jobs a second get through: python -m bench.throughput [PART ...] [--jobs N ...] [--slots N]

Figures go to bench/results/throughput.json, docs/performance.md and docs/figures/jobs.svg. Parts that are not named
keep their older ones. Everything takes some fifteen minutes on two cores, and wants the machine for itself: the load
average of the minute before is kept beside each figure.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from bench.throughput import noop, operations, report, tiny
from bench.throughput.stack import running

GROWTH = (1_000, 10_000, 100_000)
TINY = 600
LATENCIES = 300


def idle(asked: argparse.Namespace) -> dict[str, Any]:
    """From commit to claim."""
    with running(asked.slots) as stack:
        return noop.latency(stack, LATENCIES)


def growth(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Jobs that do nothing; each number of them in an installation of its own."""
    found = []
    for number in asked.jobs:
        with running(asked.slots) as stack:
            found.append(noop.throughput(stack, number))
    return found


def small(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Real jobs, by their kinds."""
    with running(asked.slots, with_api=True) as stack:
        return [tiny.throughput(stack, kind, TINY) for kind in tiny.KINDS]


PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "idle": idle,
    "growth": growth,
    "tiny": small,
    "operations": lambda _: operations.measure(),
}


def main() -> None:
    """Measure, keep, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--jobs", type=int, nargs="+", default=GROWTH)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--dry", action="store_true", help="print what was found, and keep nothing")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    for name in asked.parts or PARTS:
        load = round(os.getloadavg()[0], 2)
        found = PARTS[name](asked)
        print(f"{name} (load {load} before): {found}", flush=True)
        if not asked.dry:
            report.update(name, found, load)


if __name__ == "__main__":
    main()
