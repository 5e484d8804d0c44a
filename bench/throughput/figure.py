"""The figure of docs/performance.md: jobs a second, however many there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figure import SETTINGS

AIM = 200


def draw(measured: dict[str, Any], path: Path) -> None:
    """Write it as SVG. The same measurements give the same bytes."""
    growth = measured["growth"]
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        totals, course = figure.subplots(1, 2)
        _totals(totals, growth)
        _course(course, growth)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _totals(axes: Axes, growth: list[dict[str, Any]]) -> None:
    jobs = [found["jobs"] for found in growth]
    axes.plot(jobs, [found["per_second"] for found in growth], "o-", color="#2b6ca3", label="done")
    accepted = [found["accepted_per_second"] for found in growth]
    axes.plot(jobs, accepted, "o-", color="#9cc3e0", label="accepted")
    axes.axhline(AIM, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_title("Jobs a second, by how many there are")
    axes.legend(frameon=False)


def _course(axes: Axes, growth: list[dict[str, Any]]) -> None:
    for found, colour in zip(growth, ("#9cc3e0", "#5b9bd0", "#1d4e79"), strict=False):
        times, rates = zip(*found["course"], strict=True)
        share = [100 * time / found["seconds"] for time in times]
        axes.plot(share, rates, color=colour, label=f"{found['jobs']:,} jobs")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("% of the time that all of them take")
    axes.set_title("Jobs a second while they are done")
    axes.legend(frameon=False)
