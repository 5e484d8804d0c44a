"""The client's commands for files: tickets in and out in any format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.client.models.jobs import Job
from cli import completion
from cli.options import HERE, AsJson, Server, Ticket, Wait, connected, made
from cli.printing import show
from cli.ticket_wording import recognised_words, ticket_words
from core.jobs.formats import FORMATS


def push(
    file: Annotated[
        Path, typer.Argument(exists=True, help="A ticket file; or a file or folder of another format.")
    ],
    tag: Annotated[list[str] | None, typer.Option(help="A word to find it by.")] = None,
    format: Annotated[str | None, typer.Option(help="Its format; default: recognised.")] = None,  # noqa: A002
    architecture: Annotated[str | None, typer.Option(help="Its architecture; default: recognised.")] = None,
    input: Annotated[str | None, typer.Option(metavar="C,H,W", help="The images it takes.")] = None,  # noqa: A002
    dataset: Annotated[
        str | None,
        typer.Option(help="The dataset it was found on.", autocompletion=completion.datasets),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The seed it was found with.")] = None,
    level: Annotated[int | None, typer.Option(help="Its nominal IMP level.")] = None,
    rewind_step: Annotated[int | None, typer.Option(help="The step of its weights.")] = None,
    steps_per_epoch: Annotated[int | None, typer.Option(help="Of the training it comes from.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what the file is; keep nothing.")] = False,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Upload a ticket; a file or folder of another format becomes a job that imports it."""
    said: Any = {
        "tag": tag,
        "format": format,
        "architecture": architecture,
        "input": input,
        "dataset": dataset,
        "seed": seed,
        "level": level,
        "rewind_step": rewind_step,
        "steps_per_epoch": steps_per_epoch,
    }
    with connected(server) as client:
        if dry_run:
            show(client.recognise(file, **said), recognised_words, as_json)
            return
        answer = client.push(file, **said)
        if isinstance(answer, Job):
            made(client, answer, wait, as_json)
        else:
            show(answer, ticket_words, as_json)


def pull(
    ticket: Ticket,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: its id's first 16 digits.")
    ] = None,
    format: Annotated[  # noqa: A002
        str,
        typer.Option(help=f"elasticket, {', '.join(FORMATS)}.", autocompletion=completion.formats),
    ] = "elasticket",
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Download a ticket; its digest is checked."""
    suffix = FORMATS[format].suffix if format in FORMATS else ".ticket.safetensors"
    target = output or Path(f"{ticket[:16]}{suffix}")
    with connected(server) as client:
        saved(client.pull(ticket, target, format), as_json, ticket=ticket, format=format)


def mask(
    ticket: Ticket,
    layer: Annotated[str, typer.Argument(help="A layer, as `layers` lists them.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: the layer's name.")] = None,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Download a picture of a layer's mask; white survives."""
    with connected(server) as client:
        path = client.mask(ticket, layer, output or Path(f"{layer}.png"))
        saved(path, as_json, ticket=ticket, layer=layer)


def saved(path: Path, as_json: bool, **what: str) -> None:
    """Tell what was downloaded."""
    size = path.stat().st_size
    show({**what, "file": str(path), "bytes": size}, lambda _: f"{path}: {size:,} bytes", as_json)
