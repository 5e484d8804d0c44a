"""Figures as SVG and PNG, by matplotlib. The same data give the same bytes."""

from __future__ import annotations

import io
import threading
from typing import Any, Literal

from core.studies.figures import Chart, Curve, Figure, HeatMap

# Okabe and Ito's colours, which the colour-blind tell apart, without black and the yellow that white swallows.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "elasticket",
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    # What people call their arms is text, whatever signs it has.
    "text.parse_math": False,
}
# Settings of matplotlib are the process's, and requests are answered by several threads.
_ONE_AT_A_TIME = threading.Lock()


def draw(figure: Figure, form: Literal["svg", "png"]) -> bytes:
    """The figure's file."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    stream = io.BytesIO()
    with _ONE_AT_A_TIME, matplotlib.rc_context(_SETTINGS):
        if isinstance(figure, HeatMap):
            canvas = Canvas(
                figsize=(2.6 + 1.3 * len(figure.columns), 1.7 + 0.5 * len(figure.rows)), layout="constrained"
            )
            _map(canvas.subplots(), figure)
        else:
            canvas = Canvas(figsize=(8, max(4.2, 0.8 + 0.26 * len(figure.curves))), layout="constrained")
            _chart(canvas.subplots(), figure)
        FigureCanvasAgg(canvas)
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        canvas.savefig(stream, format=form, dpi=150, metadata=metadata)
    return stream.getvalue()


def _chart(axes: Any, chart: Chart) -> None:
    shown = []
    for number, curve in enumerate(chart.curves):
        if curve.level:
            shown.append(axes.axhline(curve.points[0].y, color="0.45", linestyle=":", label=str(number)))
        else:
            shown.append(_curve(axes, curve, number))
    axes.set_title(_printable(chart.title), loc="left")
    axes.set_xlabel(_printable(chart.x))
    axes.set_ylabel(_printable(chart.y))
    axes.grid(axis="y", color="0.9")
    legend = axes.legend(handles=shown, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    # Set afterwards: matplotlib leaves out what begins with an underscore.
    for text, curve in zip(legend.get_texts(), chart.curves, strict=True):
        text.set_text(_printable(curve.name))


def _curve(axes: Any, curve: Curve, number: int) -> Any:
    spreads = [point.std for point in curve.points]
    return axes.errorbar(
        [point.x for point in curve.points],
        [point.y for point in curve.points],
        None if None in spreads else spreads,
        color=COLOURS[number % len(COLOURS)],
        # As many arms as colours and markers have no common divisor look different.
        marker=MARKERS[number % len(MARKERS)] if len(curve.points) < 12 else None,
        linestyle=("-", "--", "-.")[number // len(COLOURS) % 3],
        markersize=5,
        capsize=3,
        linewidth=1.5,
        elinewidth=0.9,
        label=str(number),
    )


def _map(axes: Any, shown: HeatMap) -> None:
    import numpy as np

    values = np.array(
        [[np.nan if value is None else value for value in row] for row in shown.values], np.float64
    )
    known = values[np.isfinite(values)]
    low, high = known.min(), known.max()
    # Pale throughout, so that black figures are readable on every colour.
    axes.imshow(values, cmap="Blues", vmin=low, vmax=high + (high - low or 1), aspect="auto")
    for row, column in np.argwhere(np.isfinite(values)):
        axes.text(column, row, f"{values[row, column]:.2f}", ha="center", va="center")
    axes.set_xticks(range(len(shown.columns)), list(map(_printable, shown.columns)))
    axes.set_yticks(range(len(shown.rows)), list(map(_printable, shown.rows)))
    axes.set_title(_printable(shown.title), loc="left")
    axes.set_xlabel(_printable(shown.x))
    axes.set_ylabel(_printable(shown.y))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _printable(text: str) -> str:
    """Text without the control characters that no XML may hold."""
    return "".join(character if character.isprintable() else " " for character in text)
