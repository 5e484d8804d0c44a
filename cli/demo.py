"""`elasticket demo`: the whole service from nothing, and the paper's experiment in small."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.operate import Port, say

PATIENCE = 30.0
"""Seconds: an API that was killed is back long before."""


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the tables instead of serving on.")] = False,
    home: Annotated[Path, typer.Option(help="Directory of everything the demo keeps.")] = Path(".demo"),
    port: Port = None,
) -> None:
    """Find mlp_2's ticket, stretch it to mlp_3 and mlp_4, and train it beside its rivals. About a minute."""
    from cli.client import ApiError
    from cli.installation import CannotStart, address, running
    from cli.stack import StartFailed
    from cli.table5 import JobFailed

    begun = time.monotonic()
    shown = False
    try:
        with running(_settings(home, port), say) as (settings, stack):
            typer.echo(f"Elasticket runs at {address(settings)}, with all its data in {settings.root}\n")
            _play(address(settings))
            shown = True
            typer.echo(
                f"\n{time.monotonic() - begun:.0f} s from nothing. Tickets, jobs and curves: {address(settings)}"
            )
            if not once:
                typer.echo("Ctrl-C ends it.")
                stack.wait()
    except (CannotStart, StartFailed, ApiError, JobFailed) as error:
        say(str(error))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        say("stopped")
        if not shown:
            raise typer.Exit(130) from None


def _settings(home: Path, port: int | None) -> Any:
    """Settings of a demo, which keeps out of any other installation's data."""
    from cli.installation import CannotStart, free_port
    from core.settings import Settings

    settings = Settings(home=home, database_url="", artifacts=None, datasets=None, host="127.0.0.1")
    if port is not None:
        return settings.model_copy(update={"port": port})
    try:
        free_port(settings.host, settings.port)
    except CannotStart:
        return settings.model_copy(update={"port": 0})
    return settings


def _play(server: str) -> None:
    from cli.client import Client
    from cli.reading import caption, reading, table
    from cli.table5 import TARGETS, play

    with Client(server, PATIENCE) as client, _Bars() as bars:
        trials = play(client, bars.show)
    typer.echo(caption())
    for target in TARGETS:
        typer.echo(f"\n{target}\n{table(trials, target).text()}")
    typer.echo(f"\n{reading(trials)}")


class _Bars:
    """A bar per part of the experiment, counted in trainings."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        from cli.table5 import bars

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("trainings"),
        )
        self._progress = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
        self._all = self._progress.add_task("all", total=sum(bars().values()))
        self._parts = {name: self._progress.add_task(name, total=total) for name, total in bars().items()}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, done: dict[str, float]) -> None:
        """Show the trainings done of every part."""
        self._progress.update(self._all, completed=int(sum(done.values())))
        for name, trainings in done.items():
            self._progress.update(self._parts[name], completed=int(trainings))
