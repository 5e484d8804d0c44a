"""The commands of whoever runs an installation: up, api, worker, dispatcher, migrate."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cli.stack import Process
    from core.settings import Settings

Home = Annotated[
    Path | None,
    typer.Option(help="Directory of everything this installation keeps.", show_default="~/.elasticket"),
]
Host = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0: any.", show_default="8000")
]
Slots = Annotated[int | None, typer.Option(min=1, help="Jobs to run at a time.", show_default="one per core")]


def say(text: str) -> None:
    """Tell the operator something, beside any output."""
    typer.echo(f"elasticket: {text}", err=True)


def settings_or_exit(**given: Any) -> Settings:
    """The settings; what is wrong with them is told, and ends the command with status 1."""
    from cli.installation import CannotStart, chosen

    try:
        return chosen(**given)
    except CannotStart as error:
        say(str(error))
        raise typer.Exit(1) from None


def up(home: Home = None, host: Host = None, port: Port = None, slots: Slots = None) -> None:
    """Run everything here: API and pages, workers, an embedded Valkey, SQLite. Ctrl-C stops it all."""
    from cli.installation import CannotStart, address, chosen, running
    from cli.stack import StartFailed

    try:
        with running(chosen(home=home, host=host, port=port, slots=slots), say) as (settings, stack):
            typer.echo(
                f"Elasticket runs at {address(settings)}\n"
                f"  data  {settings.root}\n"
                f"  logs  {settings.root / 'logs'}\n"
                f"  jobs  {settings.slots} at a time, threads for each: {settings.trainer_threads}\n"
                "Ctrl-C stops it; running jobs go back to the queue and resume at the next start."
            )
            stack.wait()
    except (CannotStart, StartFailed) as error:
        say(str(error))
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        say("stopped")


def api(host: Host = None, port: Port = None) -> None:
    """Run the API and its pages alone."""
    import uvicorn

    from cli.processes import SHARED_FIGURES
    from core.catalog.migrate import refuse_newer

    settings = settings_or_exit(host=host, port=port)
    _refuse(settings, refuse_newer)
    with TemporaryDirectory(prefix="elasticket-") as shared:
        if settings.api_processes > 1:
            os.environ[SHARED_FIGURES] = shared
        uvicorn.run(
            "api.app:from_environment",
            factory=True,
            host=settings.host,
            port=settings.port,
            http="api.gate.connections:Patient",
            timeout_graceful_shutdown=5,
            workers=settings.api_processes,
        )


def worker(
    slots: Slots = None,
    dispatcher: Annotated[
        bool, typer.Option("--dispatcher/--no-dispatcher", help="Run a dispatcher beside it.")
    ] = True,
) -> None:
    """Run a worker, and a dispatcher, for the database and the broker that the environment names."""
    from cli import processes

    settings = settings_or_exit(slots=slots)
    _run(settings, processes.workers(settings) if dispatcher else [processes.celery(settings)])


def dispatcher() -> None:
    """Run a dispatcher alone, where workers run without: one suffices, two outlive one."""
    from cli import processes

    settings = settings_or_exit()
    _run(settings, [processes.dispatcher(settings)])


def _run(settings: Settings, processes: list[Process]) -> None:
    """Keep processes running until SIGTERM or SIGINT, on a database that this version can work on."""
    from cli.installation import interruptible
    from cli.stack import Stack, StartFailed
    from core.catalog.migrate import refuse_unusable

    settings.root.mkdir(parents=True, exist_ok=True)
    _refuse(settings, refuse_unusable)
    try:
        with interruptible(), Stack(processes, say) as stack:
            stack.wait()
    except StartFailed as error:
        say(str(error))
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        say("stopped")


def migrate() -> None:
    """Create the database or bring it to the newest schema."""
    from core.catalog.migrate import NewerDatabase, upgrade
    from core.settings import settings

    settings().root.mkdir(parents=True, exist_ok=True)
    try:
        upgrade(settings().database)
    except NewerDatabase as error:
        say(str(error))
        raise typer.Exit(1) from error


def _refuse(settings: Settings, look: Callable[[str], object]) -> None:
    """End with status 1 where `look` refuses the database. One that cannot be asked is waited for elsewhere."""
    from sqlalchemy.exc import OperationalError

    from core.catalog.migrate import NewerDatabase, OlderDatabase

    try:
        look(settings.database)
    except (NewerDatabase, OlderDatabase) as error:
        say(str(error))
        raise typer.Exit(1) from error
    except OperationalError as error:
        say(f"the database cannot be reached yet: {error.orig}")
