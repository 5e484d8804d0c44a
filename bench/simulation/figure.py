"""The figure of docs/scale.md: the queue and the fleet over a simulated day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figure import SETTINGS


def draw(found: dict[str, Any], path: Path) -> None:
    """Write it as SVG. The same findings give the same bytes."""
    hours = [sample["hours"] for sample in found["course"]]
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(9, 8), layout="constrained")
        queue, busy, waits = figure.subplots(3, 1)
        _course(queue, hours, {"queued": [sample["queued"] for sample in found["course"]]})
        queue.set_title("Jobs that wait")
        work = [sample["gpus"] for sample in found["course"]]
        kept = [sample["gpus"] + sample["kept"] for sample in found["course"]]
        _course(busy, hours, {"at work": work, "with those that idle on hosts kept for large jobs": kept})
        busy.axhline(found["gpus"], color="black", linewidth=0.8)
        busy.set_title(f"GPUs at work, of {found['gpus']:,}")
        busy.legend(frameon=False, loc="lower right")
        _waits(waits, found["waits"])
        figure.savefig(path, format="svg", metadata={"Date": None})


def _course(axes: Axes, hours: list[float], lines: dict[str, list[int]]) -> None:
    for (name, values), colour in zip(lines.items(), ("#2b6ca3", "#9cc3e0"), strict=False):
        axes.plot(hours, values, color=colour, linewidth=0.8, label=name)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("hours")


def _waits(axes: Axes, waits: dict[str, Any]) -> None:
    lines = [(f"{kind} {name}", line) for kind, named in waits.items() for name, line in named.items()]
    for what, colour in (("p95", "#9cc3e0"), ("median", "#2b6ca3")):
        axes.bar([name for name, _ in lines], [line[what] for _, line in lines], color=colour, label=what)
    axes.set_title("Seconds that jobs wait")
    axes.tick_params(axis="x", labelrotation=30)
    axes.legend(frameon=False)
