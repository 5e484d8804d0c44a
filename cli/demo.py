"""`elasticket demo`: the whole service from nothing, and the paper's experiment in small."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.operate import Port, say


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the tables instead of serving on.")] = False,
    home: Annotated[Path, typer.Option(help="Directory of everything the demo keeps.")] = Path(".demo"),
    port: Port = None,
) -> None:
    """Find mlp_2's ticket, stretch it to mlp_3 and mlp_4, and train it beside its rivals. About a minute."""
    from api.client import ApiError
    from cli.installation import CannotStart, address, running
    from cli.stack import StartFailed

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
    except (CannotStart, StartFailed, ApiError) as error:
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
    from api.client import Client
    from cli.comparison import TABLE_5
    from cli.progress import followed
    from cli.reading import caption, reading, tables
    from cli.studies import check

    with Client(server, starting=True) as client:
        study = followed(client, client.create_study(**TABLE_5))
        table = client.table(study)
    typer.echo(f"E-LTH, Table 5 (lower half) in small. {caption(study)}")
    for network, shown in tables(table).items():
        typer.echo(f"\n{network}\n{shown.text()}")
    typer.echo(f"\n{reading(study, table)}")
    check(study)
