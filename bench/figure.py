"""The figure of docs/performance.md: ratios to the reference, and where a step's time goes.

The same measurements give the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.ours import Variant

SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "elasticket",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.right": False,
}
_PLACES = {"machine": ("whole machine", "#2b6ca3"), "alone": ("one process", "#9cc3e0")}
_BAR = 0.38


def draw(measured: dict[str, Any], path: Path) -> None:
    """Write it as SVG; a part that was not measured is left empty."""
    path.parent.mkdir(exist_ok=True)
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(9, 6), layout="constrained")
        above, below = figure.subplots(2, 1)
        _ratios(above, measured.get("training", []))
        _spent(below, measured.get("roofline", []))
        figure.savefig(path, format="svg", metadata={"Date": None})


def _ratios(axes: Axes, compared: list[dict[str, Any]]) -> None:
    lines = [(found["network"], ours) for found in compared for ours in found["ours"]]
    for offset, (place, (label, colour)) in zip((-_BAR / 2, _BAR / 2), _PLACES.items(), strict=True):
        bars = axes.barh(
            [row + offset for row in range(len(lines))],
            [ours[place]["ratio"] for _, ours in lines],
            _BAR,
            label=label,
            color=colour,
        )
        axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_title("Training images per second, over the reference's")
    _rows(axes, [_named(network, ours) for network, ours in lines])


def _spent(axes: Axes, found: list[dict[str, Any]]) -> None:
    left = [0.0] * len(found)
    for index, category in enumerate(found[0]["ours"]["profiled_ms"] if found else ()):
        shares = []
        for line in found:
            spent = line["ours"]["profiled_ms"]
            shares.append(100 * spent[category] / sum(spent.values()))
        axes.barh(range(len(found)), shares, 0.6, left=left, label=category, color=f"C{index}")
        left = [begin + share for begin, share in zip(left, shares, strict=True)]
    axes.set_title("Share of a step's time, %")
    _rows(axes, [_named(line["network"], line) for line in found])


def _rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    if names:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def _named(network: str, variant: dict[str, Any]) -> str:
    return f"{network}\n{Variant(variant['mode'], variant['seeds'])}"
