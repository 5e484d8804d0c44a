"""Commands for who runs an installation: on its database, since a first key cannot be asked for by HTTP; on workers."""

from __future__ import annotations

from typing import Annotated

import typer

from api.client.models.health import Pool
from cli import limits
from cli.here import catalog, operator, store
from cli.keys import Days, Name, Scope
from cli.operate import Home, say
from cli.options import HERE, AsJson, Server, connected
from cli.printing import show, tabulate

admin = typer.Typer(
    help="What an operator does in this installation's database itself: projects, first keys, quotas, retention;"
    " and with its workers.",
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
    from core.catalog import audit as entries
    from core.catalog import keys
    from core.catalog.keys import BadProject

    with catalog(home) as database:
        try:
            with database.everywhere().write() as session:
                entered = keys.ensure_project(session, project)
        except BadProject as error:
            raise typer.BadParameter(str(error), param_hint="--project") from None
        with database.of(project).write() as session:
            row, text = keys.create(session, name, scope, None if days is None else float(days * DAY))
            entries.enter(session, operator("key", row.id))
    if entered:
        say(f"project {project} is new")
    say(f"key {row.id} ({name}) to project {project}, scope {scope}, is shown this once:")
    typer.echo(text.text)


@admin.command("projects")
def projects(home: Home = None) -> None:
    """List the projects of this installation."""
    from core.catalog import keys

    with catalog(home) as database, database.everywhere().read() as session:
        typer.echo("\n".join(keys.projects(session)))


@admin.command("revoke")
def revoke(key: Annotated[str, typer.Argument(metavar="KEY", help="A key's id.")], home: Home = None) -> None:
    """Revoke a key of any project."""
    from core.catalog import audit as entries
    from core.catalog import keys

    with catalog(home) as database, database.everywhere().write() as session:
        row = keys.revoke(session, key)
        if row is not None:
            entries.enter(session, operator("revoke", key), project=row.project)
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
    from core.catalog import audit as entries
    from core.catalog import collecting

    with catalog(home) as database:
        found = collecting.collect(database, store(home), days * DAY, dry_run=dry_run)
        if found.artifacts and not dry_run:
            with database.everywhere().write() as session:
                entries.enter(session, operator("collect", f"{found.artifacts} artifacts"))
    would = "would be removed" if dry_run else "removed"
    words = (
        f"{found.artifacts} artifacts, {found.bytes:,} bytes, and {len(found.trainings)} trainings {would}"
    )
    show(found.as_json(), lambda _: "\n".join([*found.digests, words]), as_json)


@admin.command("audit")
def audit(
    project: Annotated[
        str | None, typer.Option(help="Of this project alone.", show_default="all, and strangers")
    ] = None,
    of: Annotated[str | None, typer.Option(metavar="ID", help="Only what was done to this.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 20,
    home: Home = None,
) -> None:
    """List what was changed, by whom, and which keys were refused."""
    from api.access.schemas import AuditBody
    from cli.auditing import audit_table
    from core.catalog import audit as entries

    with catalog(home) as everything:
        database = everything.everywhere() if project is None else everything.of(project)
        with database.read() as session:
            found = entries.page(session, limit, resource=of).rows
    tabulate(audit_table([AuditBody.of(row) for row in found]))


for command in (limits.quota, limits.retention):
    admin.command()(command)
