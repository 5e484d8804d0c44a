"""How answers are printed: in words and tables for people, as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import typer

from api.client.answer import Answer
from core.studies.table import Table

Words = str | Table | list[str | Table]
Shown = TypeVar("Shown", bound=Answer | Sequence[Answer] | dict[str, Any])

_COLOURS = {
    "succeeded": "green",
    "running": "cyan",
    "cancelling": "yellow",
    "cancelled": "yellow",
    "failed": "red",
    "blocked": "red",
}


def show(answer: Shown, words: Callable[[Shown], Words], as_json: bool) -> None:
    """Print an answer, in words or as it came."""
    if as_json:
        typer.echo(json.dumps(_body(answer), indent=2, ensure_ascii=False))
        return
    said = words(answer)
    for block in said if isinstance(said, list) else [said]:
        if isinstance(block, Table):
            tabulate(block)
        else:
            typer.echo(block)


def tabulate(table: Table) -> None:
    """A table: drawn on a terminal, aligned text anywhere else."""
    if not sys.stdout.isatty():
        typer.echo(table.text())
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    drawn = Drawn(box=SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(table.columns):
        words = place < table.words
        # An id is of use only whole.
        drawn.add_column(
            Text(name), justify="left" if words else "right", no_wrap=place == 0, overflow="fold"
        )
    for row in table.rows:
        drawn.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    console = Console()
    console.print(drawn)
    for note in table.notes:
        console.print(Text(note))


def _body(answer: Any) -> Any:
    if isinstance(answer, Answer):
        return answer.json_body()
    return [_body(one) for one in answer] if isinstance(answer, list) else answer
