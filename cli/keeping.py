"""The commands that keep an installation and bring it back: backup, restore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cli.operate import Home, say


def backup(
    target: Annotated[Path, typer.Argument(help="Directory: a new one, or that of an earlier backup.")],
    home: Home = None,
) -> None:
    """Save this installation in a directory, while it runs or stopped. Of PostgreSQL: all but the database itself."""
    from cli.installation import chosen
    from core.catalog.backup import backup as save
    from core.catalog.backup import closing_database
    from core.catalog.migrate import is_current, refuse_newer

    settings = chosen(home=home)

    def work(tell: Callable[[int, int], None]) -> list[str]:
        refuse_newer(settings.database)
        with closing_database(settings.database) as database:
            if not is_current(database, settings.database):
                raise RuntimeError(
                    "the database has another version's schema: only that one knows all there is to save"
                )
        return save(settings, target, tell)

    _carry_out("backup", f"{settings.root} is saved in {target}", work)
    if not settings.database.startswith("sqlite"):
        say("this is all but the database: pg_dump saves that, and must have run before this did")


def restore(
    source: Annotated[Path, typer.Argument(help="Directory that `elasticket backup` made.")],
    home: Home = None,
) -> None:
    """Put a backup where there is no installation yet. With PostgreSQL: all but the database itself."""
    from cli.installation import chosen, locked
    from core.catalog.backup import restore as bring_back

    settings = chosen(home=home)

    def work(tell: Callable[[int, int], None]) -> list[str]:
        with locked(settings.root):
            return bring_back(source, settings, tell)

    _carry_out("restore", f"{source} is restored to {settings.root}", work)


def _carry_out(doing: str, done: str, work: Callable[[Callable[[int, int], None]], list[str]]) -> None:
    """Do it with a progress bar; exit status 1 where it could not be done, or not wholly."""
    try:
        with progress(doing) as tell:
            lost = work(tell)
    except (RuntimeError, OSError) as error:
        say(str(error))
        raise typer.Exit(1) from error
    for digest in lost:
        say(f"missing or damaged, and not in it: artifact {digest}")
    say(
        done
        if not lost
        else f"{done}, but for {len(lost)} artifacts; `elasticket doctor --verify` says whose they are"
    )
    if lost:
        raise typer.Exit(1)


@contextmanager
def progress(doing: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, gone when it is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda number, of: bar.update(task, completed=number, total=of)
