"""The client's commands: whatever they do, any HTTP client could do too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.client import ApiError, Client, Json
from cli.operate import say
from cli.watching import follow
from cli.wording import job_text, jobs_table, ticket_text

Server = Annotated[str, typer.Option(envvar="ELASTICKET_SERVER", help="Where the API is.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer.")]
Wait = Annotated[
    bool, typer.Option("--wait", "-w", help="Watch it to its end; exit status 1 unless it succeeds.")
]
Exact = Annotated[bool, typer.Option("--exact", help="The same digests on every run.")]
Recipe = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="A field of the recipe: lr=0.05, length=20ep, preset=mlp …"
    ),
]
Tickets = Annotated[list[str], typer.Argument(metavar="TICKET", help="Ids of tickets.")]
MaybeTickets = Annotated[list[str] | None, typer.Argument(metavar="TICKET", help="Ids of tickets.")]
Dataset = Annotated[str, typer.Argument(help="A dataset, as /datasets lists them.")]
Architecture = Annotated[str, typer.Argument(help="An architecture, as /architectures lists them.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="A job's id.")]
Seeds = Annotated[str | None, typer.Option(metavar="0,1,…", help="Seeds, one per replicate.")]
HERE = "http://127.0.0.1:8000"


def push(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A .ticket.safetensors file.")],
    tag: Annotated[list[str] | None, typer.Option(help="A word to find it by.")] = None,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Upload a ticket."""
    with _client(server) as client:
        _show(client.push(file, tag or []), ticket_text, as_json)


def pull(
    ticket: Annotated[str, typer.Argument(help="A ticket's id.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: its id's first 16 digits.")
    ] = None,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Download a ticket."""
    target = output or Path(f"{ticket[:16]}.ticket.safetensors")
    with _client(server) as client:
        size = client.pull(ticket, target)
        done = {"ticket": ticket, "file": str(target), "bytes": size}
        _show(done, lambda _: f"{target}: {size:,} bytes", as_json)


def find(
    architecture: Architecture,
    dataset: Dataset,
    method: Annotated[str, typer.Option(help="A pruning method, as /methods lists them.")] = "imp",
    level: Annotated[int | None, typer.Option(help="IMP's prunings; the method's default is 10.")] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="Another parameter of the method."),
    ] = None,
    seeds: Seeds = None,
    recipe: Recipe = None,
    exact: Exact = False,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Find one ticket per seed."""
    parameters = _fields(parameter) | ({} if level is None else {"level": level})
    body = {
        "architecture": architecture,
        "dataset": dataset,
        "method": method,
        "parameters": parameters,
        "seeds": _seeds(seeds),
        "recipe": _fields(recipe),
        "exact": exact,
    }
    _submit("find", body, wait, as_json, server)


def transform(
    tickets: Tickets,
    architecture: Architecture,
    order: Annotated[
        str | None, typer.Option(help="append, interpolate, drop_last, drop_first or drop_even.")
    ] = None,
    unit_map: Annotated[
        str | None, typer.Option("--map", metavar="MAP", help="An explicit map, such as '0:0;1:1,2|…'.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Refit to this dataset's images and classes.")] = None,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Stretch or squeeze tickets into another member of their family."""
    body = {
        "tickets": tickets,
        "architecture": architecture,
        "order": order,
        "unit_map": unit_map,
        "dataset": dataset,
    }
    _submit("transform", body, wait, as_json, server)


def train(
    tickets: MaybeTickets = None,
    *,
    dataset: Dataset,
    dense: Annotated[
        str | None, typer.Option(metavar="ARCHITECTURE", help="Train this dense network instead.")
    ] = None,
    seeds: Seeds = None,
    recipe: Recipe = None,
    exact: Exact = False,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Train tickets from their rewind points, or a dense network."""
    body = {
        "tickets": tickets or None,
        "architecture": dense,
        "dataset": dataset,
        "seeds": _seeds(seeds),
        "recipe": _fields(recipe),
        "exact": exact,
    }
    _submit("train", body, wait, as_json, server)


def evaluate(
    tickets: MaybeTickets = None,
    *,
    dataset: Dataset,
    job: Annotated[str | None, typer.Option(help="A train job, to evaluate what it trained instead.")] = None,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Measure tickets, or what a job has trained, on a dataset's test images."""
    _submit("evaluate", {"tickets": tickets or None, "job": job, "dataset": dataset}, wait, as_json, server)


def jobs(
    state: Annotated[list[str] | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """List the newest jobs."""
    with _client(server) as client:
        _show(client.jobs(limit, state), lambda found: jobs_table(found).text(), as_json)


def watch(job: JobId, as_json: AsJson = False, server: Server = HERE) -> None:
    """Follow a job to its end; exit status 1 unless it succeeds."""
    with _client(server) as client:
        _follow(client, client.job(job), as_json, server)


def cancel(job: JobId, as_json: AsJson = False, server: Server = HERE) -> None:
    """Stop a job."""
    with _client(server) as client:
        _show(client.cancel(job), lambda found: job_text(found, server), as_json)


def retry(job: JobId, wait: Wait = False, as_json: AsJson = False, server: Server = HERE) -> None:
    """Do a job that failed or was cancelled again."""
    with _client(server) as client:
        _made(client, client.retry(job), wait, as_json, server)


def _submit(kind: str, body: Json, wait: bool, as_json: bool, server: str) -> None:
    with _client(server) as client:
        _made(client, client.submit(kind, body), wait, as_json, server)


def _made(client: Client, job: Json, wait: bool, as_json: bool, server: str) -> None:
    if wait:
        _follow(client, job, as_json, server)
    else:
        _show(job, lambda made: job_text(made, server), as_json)


def _follow(client: Client, job: Json, as_json: bool, server: str) -> None:
    try:
        ended = follow(client, job, Console(stderr=True))
    except KeyboardInterrupt:
        say(f"job {job['id']} goes on; to stop it: elasticket cancel {job['id']}")
        raise typer.Exit(130) from None
    _show(ended, lambda shown: job_text(shown, server), as_json)
    if ended["state"] != "succeeded":
        raise typer.Exit(1)


def _show(answer: Any, words: Any, as_json: bool) -> None:
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False) if as_json else words(answer))


@contextmanager
def _client(server: str) -> Iterator[Client]:
    try:
        with Client(server) as client:
            yield client
    except ApiError as error:
        say("\n".join(error.lines()))
        raise typer.Exit(1) from None
    except OSError as error:
        # A file of this machine, to be sent or to be written.
        say(f"{error.filename}: {error.strerror}")
        raise typer.Exit(1) from None


def _seeds(text: str | None) -> list[int] | None:
    try:
        return None if text is None else [int(word) for word in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a list of numbers such as 0,1,2", param_hint="--seeds"
        ) from None


_LISTS = ("milestones", "dense")


def _fields(given: list[str] | None) -> Json:
    """NAME=VALUE words as JSON fields: a VALUE that reads as JSON is that, any other is text."""
    fields: Json = {}
    for word in given or []:
        name, separator, value = word.partition("=")
        if not separator:
            raise typer.BadParameter(f"{word!r} is not NAME=VALUE")
        fields[name] = [part for part in value.split(",") if part] if name in _LISTS else _value(value)
    return fields


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
