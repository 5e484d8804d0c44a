"""The client's commands for jobs: whatever they do, any HTTP client could do too."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import Json
from cli.options import (
    HERE,
    Architecture,
    AsJson,
    Dataset,
    Devices,
    Exact,
    Fresh,
    JobId,
    MaybeTickets,
    Recipe,
    Seeds,
    Server,
    Wait,
    connected,
    fields,
    followed,
    made,
    numbers,
    show,
    submit,
)
from cli.wording import job_text, jobs_table


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
    devices: Devices = None,
    fresh: Fresh = False,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Find one ticket per seed."""
    parameters = fields(parameter) | ({} if level is None else {"level": level})
    body = {
        "architecture": architecture,
        "dataset": dataset,
        "method": method,
        "parameters": parameters,
        "seeds": numbers(seeds, "--seeds"),
        "recipe": fields(recipe),
        "exact": exact,
        "devices": devices,
        "fresh": fresh or None,
    }
    submit("find", body, wait, as_json, server)


def train(
    tickets: MaybeTickets = None,
    *,
    dataset: Dataset,
    dense: Annotated[
        str | None, typer.Option(metavar="ARCHITECTURE", help="Train this dense network instead.")
    ] = None,
    schedule: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Train the network sparsely from the start: sparsity=0.9, method=rigl, multiplier=5 …",
        ),
    ] = None,
    seeds: Seeds = None,
    recipe: Recipe = None,
    exact: Exact = False,
    devices: Devices = None,
    fresh: Fresh = False,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Train tickets from their rewind points, or a network from its initialisation, dense or with a schedule sparse."""
    body = {
        "tickets": tickets or None,
        "architecture": dense,
        "sparsity_schedule": fields(schedule) or None,
        "dataset": dataset,
        "seeds": numbers(seeds, "--seeds"),
        "recipe": fields(recipe),
        "exact": exact,
        "devices": devices,
        "fresh": fresh or None,
    }
    submit("train", body, wait, as_json, server)


def evaluate(
    tickets: MaybeTickets = None,
    *,
    dataset: Dataset,
    job: Annotated[str | None, typer.Option(help="A train job, to evaluate what it trained instead.")] = None,
    latency: Annotated[
        bool, typer.Option("--latency", help="Time each ticket's network too: dense, sparse and compacted.")
    ] = False,
    fresh: Fresh = False,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Measure tickets, or what a job has trained, on a dataset's test images."""
    body = {
        "tickets": tickets or None,
        "job": job,
        "dataset": dataset,
        "latency": latency or None,
        "fresh": fresh or None,
    }
    submit("evaluate", body, wait, as_json, server)


def connect(
    first: Annotated[
        str, typer.Argument(metavar="JOB[:RUN]", help="A training of a train job; RUN is 0 if left out.")
    ],
    second: Annotated[str, typer.Argument(metavar="JOB[:RUN]", help="Another training of the same ticket.")],
    points: Annotated[
        int | None, typer.Option(help="Networks on the line, both ends included; default: 21.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Default: what they were trained on.")] = None,
    fresh: Fresh = False,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Measure the networks on the line between two trainings: linear mode connectivity."""
    body = {
        "trainings": [_training(first), _training(second)],
        "points": points,
        "dataset": dataset,
        "fresh": fresh or None,
    }
    submit("connect", body, wait, as_json, server)


def _training(text: str) -> Json:
    job, _, run = text.partition(":")
    if run and not run.isdecimal():
        raise typer.BadParameter(f"{text!r} is not JOB:RUN with a number of a training")
    return {"job": job, "run": int(run or 0)}


def jobs(
    state: Annotated[list[str] | None, typer.Option(help="Only jobs in this state.")] = None,
    query: Annotated[
        str | None, typer.Option(metavar="WORDS", help="Only jobs that all of these words are said of.")
    ] = None,
    order: Annotated[str | None, typer.Option(metavar="newest|oldest", help="Which come first.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """List the newest jobs."""
    with connected(server) as client:
        found = client.jobs(limit, state=state, q=query, order=order)
        show(found, lambda found: jobs_table(found).text(), as_json)


def watch(job: JobId, as_json: AsJson = False, server: Server = HERE) -> None:
    """Follow a job to its end; exit status 1 unless it succeeds."""
    with connected(server) as client:
        followed(client, client.job(job), as_json, server)


def cancel(job: JobId, as_json: AsJson = False, server: Server = HERE) -> None:
    """Stop a job."""
    with connected(server) as client:
        show(client.cancel(job), lambda found: job_text(found, server), as_json)


def prioritise(
    job: JobId,
    priority: Annotated[
        int, typer.Argument(min=-100, max=100, metavar="N", help="The highest is taken first.")
    ],
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Give a job that waits another place in the queue; write a negative N after --."""
    with connected(server) as client:
        show(client.prioritise(job, priority), lambda found: job_text(found, server), as_json)


def retry(job: JobId, wait: Wait = False, as_json: AsJson = False, server: Server = HERE) -> None:
    """Do a job that failed or was cancelled again."""
    with connected(server) as client:
        made(client, client.retry(job), wait, as_json, server)
