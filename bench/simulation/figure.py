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
        figure = Figure(figsize=(9, 6), layout="constrained")
        queue, busy, waits = figure.subplots(3, 1)
        for axes, what, title in (
            (queue, "queued", "Jobs that wait"),
            (busy, "gpus", f"GPUs at work, of {found['gpus']:,}"),
        ):
            axes.plot(hours, [sample[what] for sample in found["course"]], color="#2b6ca3", linewidth=0.8)
            axes.set_title(title)
            axes.set_ylim(bottom=0)
            axes.set_xlabel("hours")
        _waits(waits, found["waits"])
        figure.savefig(path, format="svg", metadata={"Date": None})


def _waits(axes: Axes, waits: dict[str, Any]) -> None:
    lines = [(f"{kind} {name}", line) for kind, named in waits.items() for name, line in named.items()]
    for what, colour in (("p95", "#9cc3e0"), ("median", "#2b6ca3")):
        axes.bar([name for name, _ in lines], [line[what] for _, line in lines], color=colour, label=what)
    axes.set_title("Seconds that jobs wait")
    axes.tick_params(axis="x", labelrotation=30)
    axes.legend(frameon=False)
