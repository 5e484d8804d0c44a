"""Bars of a study that is under way, one for each of its networks."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from api.client import Client
from api.client.models.studies import Study
from cli.comparison import parts


def followed(client: Client, study: Study) -> Study:
    """Follow a study to its end, with a bar per network on the terminal, counted in jobs; raises ApiError."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("jobs"))
    console = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def show(seen: Study) -> None:
            for name, (done, count) in parts(seen).items():
                if name not in bars:
                    bars[name] = progress.add_task(name, total=count)
                progress.update(bars[name], completed=int(done))

        return client.wait_study(study, told=show)
