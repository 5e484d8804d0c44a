"""Simulate a fleet for a day: python -m bench.simulation [--jobs N] [--hosts N] [--gpus N] [--seed N] [--dry] [--kept]

What it finds goes to bench/results/simulation.json, docs/scale.md and docs/figures/scale.svg, beside what each
transaction costs by the latest `python -m bench.throughput operations`. A hundred thousand jobs take some twenty
minutes of a core.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from bench.simulation import report
from bench.simulation.catalog import Clock, catalog
from bench.simulation.findings import Findings
from bench.simulation.fleet import Fleet
from bench.simulation.simulation import Simulation
from bench.simulation.workload import Workload
from core.catalog import history
from core.settings import Settings


def simulate(workload: Workload, fleet: Fleet, settings: Settings) -> Findings:
    """Run it to its end; raises `AssertionError` where a job was lost, done twice, or left behind."""
    clock = Clock()
    with catalog(clock, workload.names) as database:
        found = Simulation(database, clock, workload, fleet, settings).run()
        with database.read() as session:
            broken = [*history.violations(session), *history.unsettled(session)]
    assert not broken, broken[:5]
    return found


def main() -> None:
    """Simulate, keep, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--hosts", type=int, default=125)
    parser.add_argument("--gpus", type=int, default=8, help="of each host")
    parser.add_argument("--load", type=float, default=0.75)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dry", action="store_true", help="print what was found, and keep nothing")
    parser.add_argument(
        "--kept", action="store_true", help="simulate nothing: what was found, at the latest costs"
    )
    asked = parser.parse_args()
    if asked.kept:
        report.keep(report.kept())
        return
    fleet = Fleet(asked.hosts, asked.gpus)
    workload = Workload(asked.jobs, asked.hosts * asked.gpus, load=asked.load, seed=asked.seed)
    settings = Settings()
    began = time.perf_counter()
    found: dict[str, Any] = report.summary(simulate(workload, fleet, settings), workload, fleet, settings)
    found["took_seconds"] = round(time.perf_counter() - began)
    if asked.dry:
        print(json.dumps(found | {"course": None}, indent=1))
    else:
        report.keep(found)


if __name__ == "__main__":
    main()
