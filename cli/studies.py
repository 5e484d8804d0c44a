"""The client's commands for studies: asked for by name or file, extended, resumed, shown."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

import typer

from api.client import Client
from api.client.models.studies import Study
from cli import completion
from cli.comparison import failures
from cli.operate import say
from cli.options import HERE, PAGE, AsJson, Limit, Priority, Server, StudyId, Wait, connected
from cli.printing import show
from cli.study_request import changed, read
from cli.study_wording import extension_words, plan_words, studies_table, study_words

Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="A field: datasets=digits, seeds=0,1, recipe.length=20ep …"
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell which jobs it would ask for; do nothing.")]


def study(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            help="A study by name, or a .yaml or .json file of one.",
            autocompletion=completion.studies,
        ),
    ],
    scale: Annotated[str | None, typer.Option(help="paper, or small for a CPU; of a study by name.")] = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    priority: Priority = None,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Ask for a study: many jobs whose results form a table."""
    asked: Any = changed(read(name) | ({"scale": scale} if scale else {}), changes)
    with connected(server) as client:
        if dry_run:
            show(client.plan_study(**asked), plan_words, as_json)
        else:
            _made(client, client.create_study(priority=priority, **asked), wait, as_json)


def extend(
    study: StudyId,
    more: Annotated[
        list[str],
        typer.Option("--set", metavar="FIELD=VALUE,…", help="What to append: seeds=3,4, targets=mlp_4 …"),
    ],
    dry_run: DryRun = False,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Add cells or replicates to a study, finished or not; what it has done stays."""
    asked: Any = changed({}, more)
    with connected(server) as client:
        if dry_run:
            show(client.plan_extension(study, **asked), extension_words, as_json)
        else:
            _made(client, client.extend_study(study, **asked), wait, as_json)


def resume(study: StudyId, wait: Wait = False, as_json: AsJson = False, server: Server = HERE) -> None:
    """Ask again for what failed or was cancelled of a study."""
    with connected(server) as client:
        _made(client, client.resume_study(study), wait, as_json)


def studies(limit: Limit = 20, as_json: AsJson = False, server: Server = HERE) -> None:
    """List the newest studies."""
    with connected(server) as client:
        found = client.studies(limit=min(limit, PAGE))
        show(list(islice(found, limit)), studies_table, as_json)


def study_followed(client: Client, made: Study, as_json: bool) -> None:
    """Follow a study to its end and show its table; status 1 unless all of it succeeds."""
    ended = ended_study(client, made)
    words = client.table_as(ended, "text").rstrip()
    show(ended, lambda _: f"study {ended.id}\n\n{words}", as_json)
    check(ended)


def check(ended: Study) -> None:
    """Tell what of a study did not succeed; status 1 where that is anything."""
    if wrong := failures(ended):
        say("\n".join(["did not succeed:", *wrong]))
        raise typer.Exit(1)


def ended_study(client: Client, made: Study) -> Study:
    """Follow a study to its end."""
    from cli.progress import followed

    try:
        return followed(client, made)
    except KeyboardInterrupt:
        say(f"study {made.id} goes on; its table so far: elasticket table {made.id}")
        raise typer.Exit(130) from None


def _made(client: Client, made: Study, wait: bool, as_json: bool) -> None:
    if wait:
        study_followed(client, made, as_json)
    else:
        show(made, lambda shown: study_words(shown, client.server), as_json)
