"""The client's commands for files: tickets in and out in any format, two of them compared, an architecture posted."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from cli.options import HERE, AsJson, Server, Ticket, Wait, connected, made, show
from cli.wording import comparison_text, ticket_text
from core.jobs.formats import FORMATS

architectures = typer.Typer(help="Architectures described as data.", no_args_is_help=True)


def push(
    file: Annotated[
        Path, typer.Argument(exists=True, help="A ticket file; or a file or folder of another format.")
    ],
    tag: Annotated[list[str] | None, typer.Option(help="A word to find it by.")] = None,
    format: Annotated[str | None, typer.Option(help="Its format; default: recognised.")] = None,  # noqa: A002
    architecture: Annotated[str | None, typer.Option(help="Its architecture; default: recognised.")] = None,
    input: Annotated[str | None, typer.Option(metavar="C,H,W", help="The images it takes.")] = None,  # noqa: A002
    dataset: Annotated[str | None, typer.Option(help="The dataset it was found on.")] = None,
    seed: Annotated[int | None, typer.Option(help="The seed it was found with.")] = None,
    level: Annotated[int | None, typer.Option(help="Its nominal IMP level.")] = None,
    rewind_step: Annotated[int | None, typer.Option(help="The step of its weights.")] = None,
    steps_per_epoch: Annotated[int | None, typer.Option(help="Of the training it comes from.")] = None,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Upload a ticket; a file or folder of another format becomes a job that imports it."""
    said = {
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
    with connected(server) as client, _content(file) as content:
        answer = client.push(content, said)
        if "state" in answer:
            made(client, answer, wait, as_json, server)
        else:
            show(answer, ticket_text, as_json)


@contextmanager
def _content(path: Path) -> Iterator[BinaryIO]:
    """A file's bytes, or a folder's as a tar."""
    if path.is_file():
        with path.open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as packed:
        # Links are sent as what they lead to: no server unpacks a link.
        with tarfile.open(fileobj=packed, mode="w", dereference=True) as archive:
            archive.add(path, arcname=path.resolve().name)
        packed.seek(0)
        yield packed


def pull(
    ticket: Ticket,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: its id's first 16 digits.")
    ] = None,
    format: Annotated[  # noqa: A002
        str, typer.Option(help=f"elasticket, {', '.join(FORMATS)}.")
    ] = "elasticket",
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Download a ticket."""
    suffix = FORMATS[format].suffix if format in FORMATS else ".ticket.safetensors"
    target = output or Path(f"{ticket[:16]}{suffix}")
    with connected(server) as client:
        size = client.pull(ticket, target, format)
        done = {"ticket": ticket, "format": format, "file": str(target), "bytes": size}
        show(done, lambda _: f"{target}: {size:,} bytes", as_json)


def compare(
    ticket: Ticket,
    other: Annotated[str, typer.Argument(help="Another ticket's id.")],
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Tell how much two tickets agree: their masks, beside what chance would give, and their weights."""
    with connected(server) as client:
        show(client.get(f"/tickets/{ticket}/compare/{other}"), comparison_text, as_json)


@architectures.command("post")
def post_architecture(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Its definition, a JSON file.")],
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Describe a network with repeated units, so that its tickets can be stretched and squeezed."""
    with connected(server) as client:
        posted = client.post_architecture(file.read_bytes())
        show(
            posted,
            lambda body: f"architecture {body['name']}: {body['prunable']:,} prunable weights",
            as_json,
        )
