"""What the client's commands share: their options, and how a job is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from api.client import ApiError, Client
from api.client.models.jobs import Job
from api.client.transport import DEFAULT_SERVER
from cli import completion
from cli.operate import say
from cli.printing import show
from cli.wording import job_words

Server = Annotated[str, typer.Option(envvar="ELASTICKET_SERVER", help="Where the API is.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer.")]
Wait = Annotated[
    bool, typer.Option("--wait", "-w", help="Watch it to its end; exit status 1 unless it succeeds.")
]
Exact = Annotated[bool, typer.Option("--exact", help="The same digests on every run.")]
Devices = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Split every batch among so many GPUs, or processes.")
]
Device = Annotated[
    str | None, typer.Option(metavar="any|cpu|gpu", help="Where to compute; default: any worker's device.")
]
Memory = Annotated[
    int | None,
    typer.Option(min=1, metavar="MIB", help="What it needs of each GPU; default: a slot's share of it."),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Do all of it again, even where an identical job has finished.")
]
PRIORITIES: Any = {"min": -100, "max": 100, "metavar": "N"}
Priority = Annotated[
    int | None,
    typer.Option(**PRIORITIES, help="Of the jobs that wait, the highest is taken first; default: 0."),
]
Recipe = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="A field of the recipe: lr=0.05, length=20ep, preset=mlp …"
    ),
]
Ticket = Annotated[str, typer.Argument(help="A ticket's id.")]
Tickets = Annotated[list[str], typer.Argument(metavar="TICKET", help="Ids of tickets.")]
MaybeTickets = Annotated[list[str] | None, typer.Argument(metavar="TICKET", help="Ids of tickets.")]
Dataset = Annotated[
    str,
    typer.Argument(help="A dataset, as `datasets` lists them.", autocompletion=completion.datasets),
]
Architecture = Annotated[
    str,
    typer.Argument(
        help="An architecture, as `architectures` lists them.", autocompletion=completion.architectures
    ),
]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="A job's id.")]
StudyId = Annotated[str, typer.Argument(metavar="STUDY", help="A study's id.")]
JobOrStudy = Annotated[str, typer.Argument(metavar="JOB|STUDY", help="The id of a job or a study.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many, the newest.")]
Seeds = Annotated[str | None, typer.Option(metavar="0,1,…", help="Seeds, one per replicate.")]
HERE = DEFAULT_SERVER
PAGE = 100
"""The most that the API lists in one answer."""
PATIENCE = 30.0
"""Seconds to wait for a server that was there and has gone away."""


@contextmanager
def connected(server: str) -> Iterator[Client]:
    """A client; what goes wrong with it is told, and ends the command with status 1."""
    try:
        with Client(server, patience=PATIENCE) as client:
            yield client
    except ApiError as error:
        say("\n".join(error.lines()))
        raise typer.Exit(1) from None
    except OSError as error:
        # A file of this machine, to be sent or to be written.
        say(f"{error.filename}: {error.strerror}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def submitted(client: Client, job: Job, wait: bool, as_json: bool) -> None:
    """Show a job that was asked for, as it is or as it ends."""
    done = job.state == "succeeded"
    if done:
        say("an identical job did this before; --fresh does it again")
    made(client, job, wait and not done, as_json)


def made(client: Client, job: Job, wait: bool, as_json: bool) -> None:
    """Show a job as it is, or as it ends."""
    if wait:
        followed(client, job, as_json)
    else:
        show(job, lambda shown: job_words(shown, client.server), as_json)


def followed(client: Client, job: Job, as_json: bool) -> None:
    """Follow a job to its end and show it; status 1 unless it succeeds."""
    from rich.console import Console

    from cli.watching import follow

    try:
        ended = follow(client, job, Console(stderr=True))
    except KeyboardInterrupt:
        say(f"job {job.id} goes on; to stop it: elasticket cancel {job.id}")
        raise typer.Exit(130) from None
    show(ended, lambda shown: job_words(shown, client.server), as_json)
    if ended.state != "succeeded":
        raise typer.Exit(1)


def numbers(text: str | None, option: str) -> list[int] | None:
    """`0,1,2` as numbers."""
    try:
        return None if text is None else [int(word) for word in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a list of numbers such as 0,1,2", param_hint=option
        ) from None


def pairs(given: list[str] | None) -> dict[str, str]:
    """NAME=VALUE words."""
    found = {}
    for word in given or []:
        name, separator, value = word.partition("=")
        if not separator:
            raise typer.BadParameter(f"{word!r} is not NAME=VALUE")
        found[name] = value
    return found


_LISTS = ("milestones", "dense")


def fields(given: list[str] | None) -> dict[str, Any]:
    """NAME=VALUE words as JSON fields: a VALUE that reads as JSON is that, any other is text."""
    return {
        name: [part for part in value.split(",") if part] if name in _LISTS else _value(value)
        for name, value in pairs(given).items()
    }


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
