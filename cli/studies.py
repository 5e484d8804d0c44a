"""The client's commands for studies: asked for by name or file, shown, packed up, and run again from an archive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Client, Json
from cli.operate import say
from cli.options import HERE, AsJson, Server, Wait, connected, pairs, show
from cli.study_wording import comparison_text, plan_text, studies_table, study_text

StudyId = Annotated[str, typer.Argument(metavar="STUDY", help="A study's id.")]
_LISTS = ("datasets", "found_on", "sources", "targets", "levels", "orders", "seeds")


def study(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A study by name, or a .yaml or .json file of one.")
    ],
    scale: Annotated[str | None, typer.Option(help="paper, or small for a CPU; of a study by name.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="FIELD=VALUE", help="A field: datasets=digits, seeds=0,1, recipe.length=20ep …"
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell which jobs it would ask for; do nothing.")
    ] = False,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Ask for a study: many jobs whose results form a table."""
    asked = _asked(name) | ({"scale": scale} if scale else {})
    for field, value in pairs(changes).items():
        _replace(asked, field, value)
    with connected(server) as client:
        if dry_run:
            show(client.plan(asked, "studies"), plan_text, as_json)
            return
        made = client.submit("studies", asked)
        if wait:
            _followed(client, made, as_json)
        else:
            show(made, lambda shown: study_text(shown, server), as_json)


def studies(
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20, as_json: AsJson = False, server: Server = HERE
) -> None:
    """List the newest studies."""
    with connected(server) as client:
        found = client.get("/studies", limit=limit)["items"]
        show(found, lambda items: studies_table(items).text(), as_json)


def table(
    study: StudyId,
    format: Annotated[  # noqa: A002
        str, typer.Option(help="text, markdown, latex, csv, html or json.")
    ] = "text",
    server: Server = HERE,
) -> None:
    """Print a study's table, as far as it is filled."""
    with connected(server) as client:
        typer.echo(client.text(f"/studies/{study}/table", format=format).rstrip("\r\n"))


def archive(
    study: StudyId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: study- and its id's first 8 digits.")
    ] = None,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Download a study with its tickets and digests: enough for others to run it again."""
    target = output or Path(f"study-{study[:8]}.zip")
    with connected(server) as client:
        size = client.download(f"/studies/{study}/archive", target)
        done = {"study": study, "file": str(target), "bytes": size}
        show(done, lambda _: f"{target}: {size:,} bytes", as_json)


def reproduce(
    file: Annotated[
        Path, typer.Argument(metavar="ARCHIVE", exists=True, dir_okay=False, help="A study's archive.")
    ],
    exact: Annotated[
        bool, typer.Option("--exact", help="In exact mode, even if it was not run so before.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Until it has ended; exit status 1 if anything differs.")
    ] = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Run the study of an archive again, and compare digest by digest."""
    with connected(server) as client, file.open("rb") as content:
        made = client.import_study(content, exact)
        if wait:
            made = _ended(client, made)
    show(made, lambda shown: f"{study_text(shown, server)}\n{comparison_text(shown)}", as_json)
    if wait and made["reproduction"]["different"]:
        raise typer.Exit(1)


def _followed(client: Client, made: Json, as_json: bool) -> None:
    from cli.comparison import failures

    ended = _ended(client, made)
    words = client.text(f"/studies/{ended['id']}/table", format="text")
    show(ended, lambda _: f"study {ended['id']}\n\n{words}", as_json)
    if wrong := failures(ended):
        say("\n".join(["did not succeed:", *wrong]))
        raise typer.Exit(1)


def _ended(client: Client, made: Json) -> Json:
    """Follow a study to its end."""
    from cli.progress import followed

    try:
        return followed(client, made)[0]
    except KeyboardInterrupt:
        say(f"study {made['id']} goes on; its table so far: elasticket table {made['id']}")
        raise typer.Exit(130) from None


def _asked(name: str) -> Json:
    """A study by name, or what a file says of one."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml", ".json"):
        return {"study": name}
    from core.studies.yaml import loads

    try:
        content = path.read_bytes()
        given = json.loads(content) if path.suffix == ".json" else loads(content)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="NAME|FILE") from None
    if not isinstance(given, dict):
        raise typer.BadParameter(f"{path} is no mapping of a study's fields", param_hint="NAME|FILE")
    return given


def _replace(asked: Json, field: str, text: str) -> None:
    """Set a field, or with dots one of the fields below it."""
    *above, last = field.split(".")
    for name in above:
        asked[name] = dict(asked.get(name) or {})
        asked = asked[name]
    asked[last] = _value(text, listed=not above and last in _LISTS)


def _value(text: str, *, listed: bool) -> Any:
    """What reads as JSON is that, any other text is text; of a list, each part."""
    try:
        given = json.loads(text)
    except ValueError:
        return [_value(part, listed=False) for part in text.split(",") if part] if listed else text
    return [given] if listed and not isinstance(given, list) else given
