"""Bars of a study that is being played, one for each of its networks."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from api.client import Client
from api.client.models.requests import StudyRequest
from api.client.models.studies import Study, Table
from cli.comparison import follow


def played(client: Client, asked: StudyRequest) -> tuple[Study, Table]:
    """Ask for a study and follow it."""
    return followed(client, client.create_study(**asked))


def followed(client: Client, study: Study) -> tuple[Study, Table]:
    """Follow a study to its end, with a bar per network on the terminal, counted in jobs; with its table."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("jobs"))
    console = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def show(parts: dict[str, tuple[float, int]]) -> None:
            for name, (done, count) in parts.items():
                if name not in bars:
                    bars[name] = progress.add_task(name, total=count)
                progress.update(bars[name], completed=int(done))

        return follow(client, study, show)
