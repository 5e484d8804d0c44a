"""The client's commands for what comes out of a study: its table, its figures, its archive, which is run again."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.files import saved
from cli.options import HERE, AsJson, Server, StudyId, connected
from cli.printing import show
from cli.studies import ended_study
from cli.study_wording import figures_table, study_words


class TableFormat(StrEnum):
    """What a table is written in."""

    text = "text"
    markdown = "markdown"
    latex = "latex"
    csv = "csv"
    html = "html"
    json = "json"


class FigureFormat(StrEnum):
    """What a figure is drawn in."""

    svg = "svg"
    png = "png"
    json = "json"


def table(
    study: StudyId,
    format: Annotated[TableFormat, typer.Option(help="Of what is printed.")] = TableFormat.text,  # noqa: A002
    latex: Annotated[bool, typer.Option("--latex", help="The same as --format latex.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The same as --format markdown.")] = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Print a study's table, as far as it is filled."""
    short = {TableFormat.latex: latex, TableFormat.markdown: markdown, TableFormat.json: as_json}
    chosen = next((name for name, said in short.items() if said), format)
    with connected(server) as client:
        typer.echo(client.table_as(study, chosen.value).rstrip("\r\n"))


def figures(
    study: StudyId,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A folder to draw them into; made if it is not there."),
    ] = None,
    name: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    format: Annotated[FigureFormat, typer.Option(help="Of what is drawn.")] = FigureFormat.svg,  # noqa: A002
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """List a study's figures, or draw them into a folder."""
    with connected(server) as client:
        found = client.figures(study)
        if name:
            unknown = set(name) - {one.name for one in found}
            if unknown:
                known = ", ".join(one.name for one in found) or "none"
                raise typer.BadParameter(
                    f"no figure {', '.join(unknown)}; there are: {known}", param_hint="--name"
                )
            found = [one for one in found if one.name in name]
        if output is None:
            show(found, figures_table, as_json)
            return
        output.mkdir(parents=True, exist_ok=True)
        files = [
            client.draw(study, one.name, output / f"{one.name}.{format.value}", format.value) for one in found
        ]
        show(
            {"study": study, "files": [str(path) for path in files]},
            lambda _: "\n".join(map(str, files)),
            as_json,
        )


def archive(
    study: StudyId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: study- and its id's first 8 digits.")
    ] = None,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Download a study with its tickets and digests: enough for others to run it again."""
    with connected(server) as client:
        saved(client.archive(study, output or Path(f"study-{study[:8]}.zip")), as_json, study=study)


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
    with connected(server) as client:
        made = client.import_study(file, exact=exact)
        if wait:
            made = ended_study(client, made)
        show(made, lambda shown: study_words(shown, client.server), as_json)
    if wait and made.reproduction is not None and made.reproduction.different:
        raise typer.Exit(1)
