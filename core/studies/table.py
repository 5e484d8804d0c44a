"""Tables of results: mean ± standard deviation over seeds, as aligned text, Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (n − 1) of replicates; one replicate has no deviation."""

    mean: float
    std: float | None

    def __format__(self, spec: str) -> str:
        mean = format(self.mean, spec)
        return mean if self.std is None else f"{mean} ± {format(self.std, spec)}"


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value; raises ValueError on none."""
    if not values:
        raise ValueError("the mean of no values")
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Spread(mean, None)
    squares = math.fsum((value - mean) ** 2 for value in values)
    return Spread(mean, math.sqrt(squares / (len(values) - 1)))


@dataclass(frozen=True)
class Table:
    """Cells as text, one per column. The first `words` columns hold words, the others numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{len(row)} cells under {len(self.columns)} columns: {row}")

    def text(self) -> str:
        """Aligned for a terminal: words to the left, numbers to the right, a rule under the names."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        aligned = [self._align(line, widths) for line in lines]
        return "\n".join([aligned[0], "  ".join("─" * width for width in widths), *aligned[1:]])

    def markdown(self) -> str:
        """A GitHub-flavoured Markdown table."""
        rule = tuple(":--" if i < self.words else "--:" for i in range(len(self.columns)))
        lines = [_escaped(self.columns), rule, *map(_escaped, self.rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def csv(self) -> str:
        """Comma-separated values (RFC 4180), the columns' names first."""
        stream = io.StringIO()
        csv.writer(stream).writerows([self.columns, *self.rows])
        return stream.getvalue()

    def latex(self) -> str:
        """A tabular of the booktabs package."""
        columns = "l" * self.words + "r" * (len(self.columns) - self.words)
        head, *rows = [" & ".join(map(_in_latex, line)) + r" \\" for line in (self.columns, *self.rows)]
        lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *rows, r"\bottomrule"]
        return "\n".join([*lines, r"\end{tabular}"])

    def _align(self, line: Sequence[str], widths: Sequence[int]) -> str:
        cells = [
            cell.ljust(width) if i < self.words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()


_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"±": r"$\pm$", "×": r"$\times$", "–": "--", "\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}
    | {"^": r"\textasciicircum{}"}
)


def _in_latex(cell: str) -> str:
    return cell.translate(_LATEX)


def _escaped(line: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell.replace("|", "\\|") for cell in line)
