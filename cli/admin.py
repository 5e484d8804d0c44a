"""Commands for who runs an installation: on its database, since a first key cannot be asked for by HTTP; on workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from api.client.models.health import Pool
from cli.keys import Days, Name, Scope
from cli.operate import Home, say, settings_or_exit
from cli.options import HERE, AsJson, Server, connected
from cli.printing import show

if TYPE_CHECKING:
    from core.catalog.database import Database

admin = typer.Typer(
    help="Projects and first keys, made in this installation's database itself; workers.",
    no_args_is_help=True,
)
DAY = 86_400
Worker = Annotated[str, typer.Argument(metavar="WORKER", help="A worker's name, as `fleet` lists it.")]
Project = Annotated[str, typer.Option(help="The project that it lets into; a new one is entered.")]


@admin.command("key")
def key(
    name: Name, project: Project = "default", scope: Scope = "admin", days: Days = None, home: Home = None
) -> None:
    """Make a key to a project, and print it: the only time that it is shown."""
    from core.catalog import keys
    from core.catalog.keys import BadProject

    with _catalog(home) as database:
        try:
            with database.everywhere().write() as session:
                entered = keys.ensure_project(session, project)
        except BadProject as error:
            raise typer.BadParameter(str(error), param_hint="--project") from None
        with database.of(project).write() as session:
            row, text = keys.create(session, name, scope, None if days is None else float(days * DAY))
    if entered:
        say(f"project {project} is new")
    say(f"key {row.id} ({name}) to project {project}, scope {scope}, is shown this once:")
    typer.echo(text.text)


@admin.command("projects")
def projects(home: Home = None) -> None:
    """List the projects of this installation."""
    from core.catalog import keys

    with _catalog(home) as database, database.everywhere().read() as session:
        typer.echo("\n".join(keys.projects(session)))


@admin.command("revoke")
def revoke(key: Annotated[str, typer.Argument(metavar="KEY", help="A key's id.")], home: Home = None) -> None:
    """Revoke a key of any project."""
    from core.catalog import keys

    with _catalog(home) as database, database.everywhere().write() as session:
        row = keys.revoke(session, key)
    if row is None:
        say(f"there is no key {key}")
        raise typer.Exit(1)
    say(f"key {key} ({row.name}) is revoked")


@admin.command("drain")
def drain(
    worker: Worker,
    now: Annotated[
        bool, typer.Option("--now", help="Have its jobs save their state and go back to the queue.")
    ] = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Have a worker take no more jobs; those that it has it finishes. It needs a key of the project `default`."""
    with connected(server) as client:
        show(client.change_pool(worker, drained=True, at_once=now), _pool_words, as_json)


@admin.command("resume")
def resume(worker: Worker, as_json: AsJson = False, server: Server = HERE) -> None:
    """Have a drained worker take jobs again."""
    with connected(server) as client:
        show(client.change_pool(worker, drained=False, at_once=False), _pool_words, as_json)


def _pool_words(pool: Pool) -> str:
    state = "takes no more jobs" if pool.drained else "takes jobs"
    return f"worker {pool.name} {state}; it has {pool.held}"


@admin.command("collect")
def collect(
    days: Annotated[
        float, typer.Option(min=1 / 24, help="Leave what was written in so many days; an hour is the least.")
    ] = 1.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would go; remove nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="What was removed, as JSON.")] = False,
    home: Home = None,
) -> None:
    """Remove artifacts that nothing in the database names, and which no running job can have made."""
    from core.catalog import collecting
    from core.catalog.stores import store_of

    with _catalog(home) as database:
        store = store_of(settings_or_exit(home=home))
        found = collecting.collect(database, store, days * DAY, dry_run=dry_run)
    would = "would be removed" if dry_run else "removed"
    words = (
        f"{found.artifacts} artifacts, {found.bytes:,} bytes, and {len(found.trainings)} trainings {would}"
    )
    show(found.as_json(), lambda _: "\n".join([*found.digests, words]), as_json)


@contextmanager
def _catalog(home: Home) -> Iterator[Database]:
    """This installation's catalog, at the newest schema: a first key may be made before the first start."""
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
