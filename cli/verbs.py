"""The client's commands for jobs: whatever they do, any HTTP client could do too."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import completion
from cli.options import (
    HERE,
    Architecture,
    AsJson,
    Dataset,
    Device,
    Devices,
    Exact,
    Fresh,
    MaybeTickets,
    Memory,
    Priority,
    Recipe,
    Seeds,
    Server,
    Wait,
    connected,
    fields,
    numbers,
    submitted,
)


def find(
    architecture: Architecture,
    dataset: Dataset,
    method: Annotated[
        str,
        typer.Option(help="A pruning method, as `methods` lists them.", autocompletion=completion.methods),
    ] = "imp",
    level: Annotated[int | None, typer.Option(help="IMP's prunings; the method's default is 10.")] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="Another parameter of the method."),
    ] = None,
    seeds: Seeds = None,
    recipe: Recipe = None,
    exact: Exact = False,
    devices: Devices = None,
    device: Device = None,
    memory: Memory = None,
    fresh: Fresh = False,
    priority: Priority = None,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Find one ticket per seed."""
    parameters = fields(parameter) | ({} if level is None else {"level": level})
    body: Any = {
        "architecture": architecture,
        "dataset": dataset,
        "method": method,
        "parameters": parameters,
        "seeds": numbers(seeds, "--seeds"),
        "recipe": fields(recipe),
        "exact": exact,
        "devices": devices,
        "device": device,
        "memory_mib": memory,
        "fresh": fresh or None,
    }
    with connected(server) as client:
        submitted(client, client.find(priority=priority, **body), wait, as_json)


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
    device: Device = None,
    memory: Memory = None,
    fresh: Fresh = False,
    priority: Priority = None,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Train tickets from their rewind points, or a network from its initialisation, dense or with a schedule sparse."""
    body: Any = {
        "tickets": tickets or None,
        "architecture": dense,
        "sparsity_schedule": fields(schedule) or None,
        "dataset": dataset,
        "seeds": numbers(seeds, "--seeds"),
        "recipe": fields(recipe),
        "exact": exact,
        "devices": devices,
        "device": device,
        "memory_mib": memory,
        "fresh": fresh or None,
    }
    with connected(server) as client:
        submitted(client, client.train(priority=priority, **body), wait, as_json)


def evaluate(
    tickets: MaybeTickets = None,
    *,
    dataset: Dataset,
    job: Annotated[str | None, typer.Option(help="A train job, to evaluate what it trained instead.")] = None,
    latency: Annotated[
        bool, typer.Option("--latency", help="Time each ticket's network too: dense, sparse and compacted.")
    ] = False,
    device: Device = None,
    memory: Memory = None,
    fresh: Fresh = False,
    priority: Priority = None,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Measure tickets, or what a job has trained, on a dataset's test images."""
    body: Any = {
        "tickets": tickets or None,
        "job": job,
        "dataset": dataset,
        "latency": latency or None,
        "device": device,
        "memory_mib": memory,
        "fresh": fresh or None,
    }
    with connected(server) as client:
        submitted(client, client.evaluate(priority=priority, **body), wait, as_json)


def connect(
    first: Annotated[
        str, typer.Argument(metavar="JOB[:RUN]", help="A training of a train job; RUN is 0 if left out.")
    ],
    second: Annotated[str, typer.Argument(metavar="JOB[:RUN]", help="Another training of the same ticket.")],
    points: Annotated[
        int | None, typer.Option(help="Networks on the line, both ends included; default: 21.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Default: what they were trained on.")] = None,
    device: Device = None,
    memory: Memory = None,
    fresh: Fresh = False,
    priority: Priority = None,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Measure the networks on the line between two trainings: linear mode connectivity."""
    body: Any = {
        "trainings": [_training(first), _training(second)],
        "points": points,
        "dataset": dataset,
        "device": device,
        "memory_mib": memory,
        "fresh": fresh or None,
    }
    with connected(server) as client:
        submitted(client, client.connect(priority=priority, **body), wait, as_json)


def _training(text: str) -> dict[str, Any]:
    job, _, run = text.partition(":")
    if run and not run.isdecimal():
        raise typer.BadParameter(f"{text!r} is not JOB:RUN with a number of a training")
    return {"job": job, "run": int(run or 0)}
