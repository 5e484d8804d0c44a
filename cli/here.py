"""This installation's own catalog, for the commands of whoever runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cli.operate import Home, say, settings_or_exit

if TYPE_CHECKING:
    from core.catalog.artifacts import ArtifactStore
    from core.catalog.audit import Act
    from core.catalog.database import Database

ProjectName = Annotated[
    str, typer.Argument(metavar="PROJECT", help="A project, as `admin projects` lists them.")
]


@contextmanager
def catalog(home: Home) -> Iterator[Database]:
    """The catalog at the newest schema: a first key may be made before the first start."""
    from core.catalog.database import Database
    from core.catalog.migrate import upgrade

    settings = settings_or_exit(home=home)
    settings.root.mkdir(parents=True, exist_ok=True)
    upgrade(settings.database)
    database = Database(settings.database)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def project_catalog(home: Home, project: str) -> Iterator[Database]:
    """The same, as a project has it; one that is not there ends the command with status 1."""
    from core.catalog import keys

    with catalog(home) as database:
        with database.everywhere().read() as session:
            known = keys.projects(session)
        if project not in known:
            say(f"there is no project {project}; there are: {', '.join(known)}")
            raise typer.Exit(1)
        yield database.of(project)


def store(home: Home) -> ArtifactStore:
    """The artifact store."""
    from core.catalog.stores import store_of

    return store_of(settings_or_exit(home=home))


def operator(command: str, resource: str | None = None) -> Act:
    """What is entered in the audit log of a command that was given on this machine."""
    from core.catalog.audit import Act

    return Act("operator", "ADMIN", command, resource)
