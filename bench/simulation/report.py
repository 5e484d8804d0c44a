"""What a simulation found, with what it would cost: kept in bench/results, and shown in docs/scale.md."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median, quantiles
from typing import Any

from bench.report import DOCS, RESULTS, replaced, table
from bench.simulation import figure
from bench.simulation.findings import Findings
from bench.simulation.fleet import Fleet
from bench.simulation.simulation import SAMPLE_SECONDS
from bench.simulation.workload import Workload
from bench.throughput import report as throughput
from core.settings import Settings

KEPT = RESULTS.with_name("simulation.json")
MARKS = ("<!-- scale: written by bench.simulation -->", "<!-- scale: end -->")


def summary(found: Findings, workload: Workload, fleet: Fleet, settings: Settings) -> dict[str, Any]:
    """The figures."""
    whole = found.samples[:-1]
    return {
        "jobs": workload.jobs,
        "gpus": workload.gpus,
        "hosts": fleet.hosts,
        "load": workload.load,
        "seed": workload.seed,
        "hours": round(found.ended_at / 3600, 2),
        "busy_share": round(found.busy_seconds / found.ended_at / workload.gpus, 3),
        "most_queued": max(sample.queued for sample in found.samples),
        "gave_way": found.gave_way,
        "fates": dict(sorted(found.fates.items())),
        "refused": found.refused + found.late,
        "lost_share": round(found.lost_seconds / found.busy_seconds, 6),
        "waits": {
            "priority": _waits((wait.priority, wait.seconds) for wait in found.waits),
            "project": _waits((wait.project, wait.seconds) for wait in found.waits),
            "gpus": _waits((wait.gpus, wait.seconds) for wait in found.waits),
        },
        "heartbeat_seconds": settings.heartbeat_seconds,
        "per_second": {
            name: {
                "mean": round(total / found.ended_at, 3),
                "most": round(max(s.transactions[name] for s in whole) / SAMPLE_SECONDS, 3),
            }
            for name, total in sorted(found.transactions.items())
        },
        "course": [
            {
                "hours": round(sample.at / 3600, 4),
                "queued": sample.queued,
                "gpus": sample.gpus,
                "ended": round(sample.transactions["succeed"] / SAMPLE_SECONDS, 2),
            }
            for sample in whole
        ],
    }


def _waits(pairs: Iterable[tuple[Any, float]]) -> dict[str, dict[str, float]]:
    grouped: dict[Any, list[float]] = defaultdict(list)
    for name, seconds in pairs:
        grouped[name].append(seconds)
    return {
        str(name): {
            "jobs": len(values),
            "median": round(median(values), 1),
            "p95": round(quantiles(values, n=20)[-1], 1) if len(values) > 1 else round(values[0], 1),
            "longest": round(max(values), 1),
        }
        for name, values in sorted(grouped.items())
    }


def keep(found: dict[str, Any]) -> None:
    """Keep the figures, and write page and figure."""
    KEPT.write_text(json.dumps(found, indent=1) + "\n")
    page = DOCS / "scale.md"
    page.write_text(replaced(page.read_text(), tables(found, throughput.kept()), *MARKS))
    figure.draw(found, DOCS / "figures" / "scale.svg")


def tables(found: dict[str, Any], measured: dict[str, Any]) -> str:
    """What happened, who waited for how long, and what it asks of the database."""
    befell = ", ".join(f"{number} times one {fate}" for fate, number in found["fates"].items())
    said = (
        f"At seed {found['seed']} {found['jobs']:,} jobs on {found['gpus']:,} GPUs of {found['hosts']} hosts took"
        f" {found['hours']:.1f} hours. The GPUs were busy for {found['busy_share']:.1%} of the time, at most"
        f" {found['most_queued']:,} jobs waited, and {found['gave_way']:,} times one gave way to a more urgent one."
        f" Of the hosts: {befell}. {found['refused']} writes of slots that had lost their job were refused,"
        f" {found['lost_share']:.3%} of the computing was done again, and every job succeeded once."
    )
    parts = [said, _waiting(found["waits"])]
    if "operations" in measured:
        parts.append(_asked(found, measured["operations"]["transactions"]))
    return "\n\n".join(parts)


def _waiting(waits: dict[str, Any]) -> str:
    rows = [
        [kind, name, f"{line['jobs']:,}", *(f"{line[what]:,.1f}" for what in ("median", "p95", "longest"))]
        for kind, lines in waits.items()
        for name, line in lines.items()
    ]
    head = ["waited, by", "", "jobs", "median, s", "95 % under, s", "longest, s"]
    return table(head, rows)


def _asked(found: dict[str, Any], costs: dict[str, Any]) -> str:
    calm = found["heartbeat_seconds"] / CALM_SECONDS
    rows, sums, calmer = [], [0.0] * 4, [0.0] * 4
    for name, rates in found["per_second"].items():
        cost = costs[PRICED_AS.get(name, name)]
        most = rates["most"]
        values = (rates["mean"], most, most * cost["server_ms"] / 1000, most * cost["log_bytes"] / 1000)
        rows.append([name, *_asking(values)])
        for place, value in enumerate(values):
            sums[place] += value
            calmer[place] += value * (calm if name == "heartbeat" else 1)
    rows.append(["**all**", *_asking(sums)])
    rows.append([f"**all, with a heartbeat every {CALM_SECONDS:g} s**", *_asking(calmer)])
    head = ["transaction", "a second", "in the busiest minute", "cores of the server then", "log, kB/s then"]
    return table(head, rows)


def _asking(values: Sequence[float]) -> list[str]:
    mean, most, cores, kilobytes = values
    return [f"{mean:,.2f}", f"{most:,.2f}", f"{cores:.3f}", f"{kilobytes:,.0f}"]


CALM_SECONDS = 5.0
PRICED_AS = {"lose": "succeed", "give_back": "succeed", "claim in vain": "claim"}
"""What was not measured by itself writes the same rows as another."""
