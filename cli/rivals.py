"""`elasticket rivals`: a stretched ticket beside IMP's own and every other method, in one request."""

from __future__ import annotations

from typing import Annotated

import typer

from api.client.models.requests import StudyRequest
from cli.options import HERE, AsJson, Dataset, Priority, Recipe, Server, connected, fields, numbers
from cli.printing import show, tabulate
from cli.studies import check


def rivals(
    dataset: Dataset,
    source: Annotated[
        str | None, typer.Option(metavar="ARCHITECTURE", help="Whose ticket is stretched. Default: mlp_2.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ARCHITECTURE", help="What it is stretched to; may be repeated. Default: mlp_3."
        ),
    ] = None,
    level: Annotated[int, typer.Option(min=1, help="IMP's prunings.")] = 10,
    seeds: Annotated[str, typer.Option(help="Replicates.")] = "0,1,2",
    recipe: Recipe = None,
    priority: Priority = None,
    markdown: Annotated[bool, typer.Option(help="Tables in Markdown.")] = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Compare all methods: each rival keeps exactly as many weights as the stretched ticket."""
    from cli.progress import followed
    from cli.reading import caption, reading, tables

    asked: StudyRequest = {
        "study": "rivals",
        "datasets": [dataset],
        "levels": [level],
        "seeds": numbers(seeds, "--seeds") or [],
        "recipe": fields(recipe),  # type: ignore[typeddict-item]  # the server says what is wrong with it
    }
    if source:
        asked["sources"] = [source]
    if target:
        asked["targets"] = target
    with connected(server) as client:
        study = followed(client, client.create_study(priority=priority, **asked))
        table = client.table(study)
    if as_json:
        show(table, lambda _: "", as_json)
    else:
        typer.echo(caption(study))
        for network, shown in tables(table).items():
            typer.echo(f"\n{network}\n")
            if markdown:
                typer.echo(shown.markdown())
            else:
                tabulate(shown)
        typer.echo(f"\n{reading(study, table)}")
    check(study)
