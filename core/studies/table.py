"""Tables of results: mean ± standard deviation over seeds, as aligned text, Markdown, CSV, LaTeX and HTML."""

from __future__ import annotations

import csv
import html
import io
import math
import re
import unicodedata
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
    """Cells as text, one per column. The first `words` columns hold words, the others numbers.

    `notes` are sentences that belong to it; CSV leaves them out.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{len(row)} cells under {len(self.columns)} columns: {row}")

    def text(self) -> str:
        """Aligned for a terminal: words to the left, numbers to the right, a rule under the names."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        aligned = [self._align(line, widths) for line in lines]
        rule = "  ".join("─" * width for width in widths)
        return "\n".join([aligned[0], rule, *aligned[1:], *(f"\n{note}" for note in self.notes)])

    def markdown(self) -> str:
        """A GitHub-flavoured Markdown table; its notes are paragraphs below it."""
        rule = tuple(":--" if i < self.words else "--:" for i in range(len(self.columns)))
        lines = [_escaped(self.columns), rule, *map(_escaped, self.rows)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join([table, *_escaped(self.notes)])

    def csv(self) -> str:
        """Comma-separated values (RFC 4180), the columns' names first."""
        stream = io.StringIO()
        csv.writer(stream).writerows([self.columns, *self.rows])
        return stream.getvalue()

    def latex(self) -> str:
        """A tabular of the booktabs package, in a table with a caption if it has notes."""
        columns = "l" * self.words + "r" * (len(self.columns) - self.words)
        head, *rows = [" & ".join(map(_in_latex, line)) + r" \\" for line in (self.columns, *self.rows)]
        lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *rows, r"\bottomrule"]
        lines.append(r"\end{tabular}")
        if self.notes:
            caption = rf"\caption{{{_in_latex(' '.join(self.notes))}}}"
            lines = [r"\begin{table}", r"\centering", *lines, caption, r"\end{table}"]
        return "\n".join(lines)

    def html(self) -> str:
        """A `<table>` that asks for nothing else: to be opened by itself, or to be pasted into a page."""
        caption = f"<caption>{html.escape(' '.join(self.notes))}</caption>\n" if self.notes else ""
        head = self._html_row("th", self.columns, scope=' scope="col"')
        body = "\n".join(self._html_row("td", row) for row in self.rows)
        return f"<table>\n{caption}<thead>\n{head}\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>\n"

    def _html_row(self, tag: str, line: Sequence[str], scope: str = "") -> str:
        right = ' style="text-align: right"'
        cells = (
            f"<{tag}{scope}{right if i >= self.words else ''}>{html.escape(cell)}</{tag}>"
            for i, cell in enumerate(line)
        )
        return f"<tr>{''.join(cells)}</tr>"

    def _align(self, line: Sequence[str], widths: Sequence[int]) -> str:
        cells = [
            cell.ljust(width) if i < self.words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()


_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"±": r"$\pm$", "×": r"$\times$", "−": "$-$", "→": r"$\to$", "α": r"$\alpha$", "–": "--", "—": "---"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''"}
    # After the end of a row they would be taken for its options.
    | {"[": "{[}", "*": "{*}"}
)


def _in_latex(cell: str) -> str:
    text = "".join(_known_to_latex(character) for character in " ".join(cell.split())).translate(_LATEX)
    return re.sub(r"^-(?=\d)", "$-$", text)


def _known_to_latex(character: str) -> str:
    """A character, or what stands for one that LaTeX would stop at: it knows Latin letters, not all of Unicode."""
    if (character.isascii() and character.isprintable()) or ord(character) in _LATEX:
        return character
    if "\xc0" <= character < "\u0180" and character not in "ÐðÞþĦħĸŉſ÷ĐđŊŋŦŧ":
        return character
    likeness = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return likeness if likeness.isprintable() and likeness else "?"


def _escaped(line: Sequence[str]) -> tuple[str, ...]:
    return tuple(" ".join(cell.split()).replace("|", "\\|") for cell in line)
