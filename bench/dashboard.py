"""Draw every panel of the dashboard from a Prometheus: what Grafana would show, where no Grafana is at hand.

`python -m bench.dashboard http://127.0.0.1:9090 PICTURE.png --minutes 15`
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

DASHBOARD = Path(__file__).parents[1] / "docs/operations/grafana/elasticket.json"
POINTS = 240
"""Points of a line."""
_COLUMNS, _ROW_INCHES, _WIDTH_INCHES = 24, 0.36, 17.0
_UNITS = {"s": (60, "s"), "decbytes": (1000, "B"), "percent": (math.inf, " %"), "reqps": (1000, "/s")}
_TICKS = 6
_APART = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
"""Seconds between two ticks of time."""
_PREFIXES = ("", "k", "M", "G", "T")
_MOST_NAMED = 8


@dataclass(frozen=True)
class Span:
    """The time that is drawn, in seconds since 1970, and how often Prometheus asks."""

    start: float
    end: float
    scrape: float = 15.0

    @property
    def step(self) -> float:
        return max(1.0, (self.end - self.start) / POINTS)

    @property
    def times(self) -> list[float]:
        return [self.start + i * self.step for i in range(int((self.end - self.start) / self.step) + 1)]

    def filled(self, expression: str) -> str:
        """An expression with what Grafana puts in: at least four scrapes, so that a rate has two points."""
        return expression.replace("$__rate_interval", f"{math.ceil(max(4 * self.scrape, self.step))}s")


@dataclass(frozen=True)
class Line:
    """One series: its name, and a value for every point of its span; NaN where there is none."""

    name: str
    values: list[float]


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Panels that show something, in their order."""
    yield from (panel for panel in dashboard["panels"] if panel["type"] != "row")


def lines(prometheus: httpx.Client, panel: dict[str, Any], span: Span) -> list[Line]:
    """What a panel's queries give over a time; raises `httpx.HTTPStatusError` for one that Prometheus refuses."""
    found = []
    for target in panel["targets"]:
        asked: dict[str, str | float] = {
            "query": span.filled(target["expr"]),
            "start": span.start,
            "end": span.end,
            "step": span.step,
        }
        answer = prometheus.get("/api/v1/query_range", params=asked).raise_for_status().json()
        for series in answer["data"]["result"]:
            values = [math.nan] * len(span.times)
            for when, value in series["values"]:
                values[round((when - span.start) / span.step)] = float(value)
            found.append(Line(_named(target["legendFormat"], series["metric"]), values))
    return found


def _named(template: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), template)


def draw(prometheus: httpx.Client, dashboard: dict[str, Any], span: Span, path: Path) -> None:
    """Draw them all where the dashboard places them."""
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    with rc_context({"font.size": 8, "axes.spines.right": False, "axes.spines.top": False}):
        figure = Figure(figsize=(_WIDTH_INCHES, height * _ROW_INCHES))
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            left, top = place["x"] / _COLUMNS, 1 - place["y"] / height
            if panel["type"] == "row":
                figure.text(0.008, top - 0.75 / height, panel["title"], fontsize=12, fontweight="bold")
                continue
            wide, high = place["w"] / _COLUMNS, place["h"] / height
            box = (left + 0.037, top - high + 1.35 / height, wide - 0.047, high - 2.6 / height)
            axes = figure.add_axes(box)
            axes.set_title(panel["title"], loc="left", fontsize=9)
            _show(axes, panel, lines(prometheus, panel, span), span)
        figure.savefig(path, dpi=90)


def _show(axes: Axes, panel: dict[str, Any], found: list[Line], span: Span) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if panel["type"] == "stat":
        axes.axis("off")
        known = [value for value in found[0].values if not math.isnan(value)] if found else []
        told = _told(known[-1], unit) if known else "no data"
        axes.text(0, 0.35, told, fontsize=20, color="#2b6ca3" if known else "#888888")
        return
    axes.set_xlim(span.start, span.end)
    apart = next((step for step in _APART if span.end - span.start < _TICKS * step), _APART[-1])
    axes.xaxis.set_major_locator(MultipleLocator(apart))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{datetime.fromtimestamp(at, UTC):%H:%M}"))
    axes.yaxis.set_major_locator(
        MaxNLocator(_TICKS, steps=(1, 2, 3, 6, 10) if unit == "s" else (1, 2, 5, 10))
    )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _told(value, unit)))
    axes.grid(alpha=0.25)
    if not found:
        axes.text(0.5, 0.5, "no data", ha="center", transform=axes.transAxes, color="#888888")
        return
    stacked = panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal"
    if stacked:
        heights = [[0.0 if math.isnan(value) else value for value in line.values] for line in found]
        axes.stackplot(span.times, heights, labels=[line.name for line in found], alpha=0.6)
    else:
        for line in found:
            axes.plot(span.times, line.values, linewidth=1.2, label=line.name)
    handles, names = _first(axes)
    axes.set_ylim(0, (1.15 + 0.12 * math.ceil(len(names) / 2)) * axes.get_ylim()[1])  # room for the legend
    axes.legend(handles, names, fontsize=7, frameon=False, loc="upper left", ncols=2)


def _first(axes: Axes) -> tuple[list[Any], list[Any]]:
    handles, names = axes.get_legend_handles_labels()
    return handles[:_MOST_NAMED], names[:_MOST_NAMED]


def _told(value: float, unit: str) -> str:
    """A value as people read it: 3.2 GB, 40 ms, 2 h."""
    if unit == "s":
        if 0 < abs(value) < 1:
            return f"{1000 * value:.3g} ms"
        for least, length, name in ((7200, 3600, "h"), (600, 60, "min")):
            if abs(value) >= least:
                return f"{value / length:.3g} {name}"
        return f"{value:.3g} s"
    base, name = _UNITS.get(unit, (1000, ""))
    prefix = 0
    while abs(value) >= base and prefix + 1 < len(_PREFIXES):
        value, prefix = value / base, prefix + 1
    return f"{value:.3g}{' ' if _PREFIXES[prefix] or name == 'B' else ''}{_PREFIXES[prefix]}{name}"


def main(
    prometheus: Annotated[str, typer.Argument(help="Address of a Prometheus that scrapes an installation.")],
    picture: Annotated[Path, typer.Argument(help="The PNG to write.")],
    minutes: Annotated[float, typer.Option(help="How far back from now.")] = 60.0,
    scrape: Annotated[float, typer.Option(help="Seconds between two scrapes.")] = 15.0,
) -> None:
    """Draw the dashboard."""
    now = time.time()
    with httpx.Client(base_url=prometheus, timeout=30) as client:
        draw(client, json.loads(DASHBOARD.read_text()), Span(now - 60 * minutes, now, scrape), picture)


if __name__ == "__main__":
    typer.run(main)
