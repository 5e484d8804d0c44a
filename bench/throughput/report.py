"""What was measured of jobs a second: kept in bench/results, and shown in docs/performance.md."""

from __future__ import annotations

import json
from typing import Any

from bench.machine import machine
from bench.report import DOCS, RESULTS, replaced, table
from bench.throughput import figure

KEPT = RESULTS.with_name("throughput.json")
MARKS = ("<!-- jobs: written by bench.throughput -->", "<!-- jobs: end -->")


def kept() -> dict[str, Any]:
    """All figures of earlier runs, by part."""
    found: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return found


def update(part: str, found: Any, load: float) -> None:
    """Keep a part's figures beside those of others, with the load average before them; rewrite page and figure."""
    earlier = kept()
    measured = earlier | {
        "machine": machine(),
        "load": earlier.get("load", {}) | {part: load},
        part: found,
    }
    KEPT.write_text(json.dumps(measured, indent=1) + "\n")
    page = DOCS / "performance.md"
    page.write_text(replaced(page.read_text(), tables(measured), *MARKS))
    if "growth" in measured:
        figure.draw(measured, DOCS / "figures" / "jobs.svg")


def tables(measured: dict[str, Any]) -> str:
    """A table for each part that was measured."""
    parts = []
    if "growth" in measured:
        parts += [_growth(measured["growth"]), _processors(measured["growth"][-1], measured.get("tiny", []))]
    if "tiny" in measured:
        parts.append(_tiny(measured["tiny"]))
    if "idle" in measured:
        parts.append(_idle(measured["idle"]))
    if "operations" in measured:
        parts.append(_operations(measured["operations"]["transactions"]))
    loads = ", ".join(f"{part} {load:g}" for part, load in measured["load"].items())
    parts.append(
        f"{measured['machine']['cores']} cores; load average of the minute before each part: {loads}."
    )
    return "\n\n".join(parts)


def _growth(found: list[dict[str, Any]]) -> str:
    rows = [
        [
            f"{line['jobs']:,}",
            f"{line['seconds']:,.1f}",
            f"**{line['per_second']:.0f}**",
            f"{line['accepted_per_second']:.0f}",
        ]
        for line in found
    ]
    return table(["jobs that do nothing", "seconds", "done a second", "accepted a second"], rows)


def _processors(nothing: dict[str, Any], tiny: list[dict[str, Any]]) -> str:
    lines = [("nothing", nothing["processor_ms"]), *((line["kind"], line["processor_ms"]) for line in tiny)]
    names = sorted({name for _, spent in lines for name in spent})
    rows = [
        [
            kind,
            *(f"{spent[name]:.2f}" if name in spent else "" for name in names),
            f"{sum(spent.values()):.1f}",
        ]
        for kind, spent in lines
    ]
    return table(["processor time of a job, ms", *names, "all"], rows)


def _tiny(found: list[dict[str, Any]]) -> str:
    rows = [
        [
            line["kind"],
            str(line["jobs"]),
            f"{line['seconds']:.1f}",
            f"**{line['per_second']:.1f}**",
            f"{line['accepted_per_second']:.0f}",
        ]
        for line in found
    ]
    head = ["real jobs, a trainer each", "jobs", "seconds", "done a second", "accepted a second"]
    return table(head, rows)


def _idle(found: dict[str, Any]) -> str:
    row = [str(found["jobs"]), *(f"{found[name]:.1f}" for name in ("median_ms", "p95_ms", "longest_ms"))]
    row[1] = f"**{row[1]}**"
    return table(
        ["jobs, one at a time", "commit to claim, median ms", "95 % under, ms", "longest, ms"], [row]
    )


def _operations(found: dict[str, Any]) -> str:
    rows = [
        [
            name,
            *(f"{cost[what]:.2f}" for what in ("ms", "server_ms", "client_ms")),
            f"{cost['log_bytes']:,.0f}",
        ]
        for name, cost in found.items()
    ]
    head = ["transaction", "ms", "processor of the server, ms", "of the client, ms", "log, bytes"]
    return table(head, rows)
