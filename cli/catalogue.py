"""The client's commands for what an installation can do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from api.client.models.catalogue import Architecture as Described
from api.client.models.health import Fleet
from cli import completion
from cli.options import HERE, Architecture, AsJson, Server, connected
from cli.printing import Words, show
from core.studies.table import Table

architectures = typer.Typer(help="Architectures: listed, shown, described as data.", no_args_is_help=True)


@architectures.command("list")
def list_architectures(as_json: AsJson = False, server: Server = HERE) -> None:
    """List the families, and how their members are named."""
    with connected(server) as client:
        show(
            list(client.architectures()),
            lambda families: Table(
                ("family", "names", "for example"),
                tuple((one.name, one.pattern, ", ".join(one.examples)) for one in families),
                words=3,
            ),
            as_json,
        )


@architectures.command("show")
def show_architecture(
    name: Architecture,
    dataset: Annotated[
        str | None,
        typer.Option(help="Whose input and classes it takes.", autocompletion=completion.datasets),
    ] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="Of one posted for several.")] = None,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Show an architecture: its tensors and its units."""
    with connected(server) as client:
        show(client.architecture(name, dataset=dataset, classes=classes), architecture_words, as_json)


@architectures.command("post")
def post_architecture(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Its definition, a JSON file.")],
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Describe a network with repeated units, so that its tickets can be stretched and squeezed."""
    with connected(server) as client:
        posted = client.post_architecture(**_definition(file))
        show(posted, lambda body: f"architecture {body.name}: {body.prunable:,} prunable weights", as_json)


def datasets(as_json: AsJson = False, server: Server = HERE) -> None:
    """List the datasets."""
    with connected(server) as client:
        show(
            list(client.datasets()),
            lambda found: Table(
                ("dataset", "what", "input", "classes", "train", "test"),
                tuple(
                    (
                        one.name,
                        one.title,
                        _size(one.input),
                        str(one.classes),
                        f"{one.train:,}",
                        f"{one.test:,}",
                    )
                    for one in found
                ),
                words=3,
            ),
            as_json,
        )


def methods(as_json: AsJson = False, server: Server = HERE) -> None:
    """List the pruning methods, with the defaults of their parameters."""
    with connected(server) as client:
        show(
            list(client.methods()),
            lambda found: Table(
                ("method", "for", "parameters"),
                tuple(
                    (
                        one.name,
                        one.request,
                        " ".join(f"{name}={value}" for name, value in one.defaults.items()),
                    )
                    for one in found
                ),
                words=3,
            ),
            as_json,
        )


def health(as_json: AsJson = False, server: Server = HERE) -> None:
    """Ask whether the API answers and can do its work; exit status 1 unless it can."""
    with connected(server) as client:
        version, state = client.health().version, client.readiness().status
        show({"version": version, "status": state}, lambda _: f"version {version}: {state}", as_json)


def fleet(as_json: AsJson = False, server: Server = HERE) -> None:
    """Show the workers, and how much is to be done."""
    with connected(server) as client:
        show(client.fleet(), fleet_words, as_json)


def metrics(server: Server = HERE) -> None:
    """Print what Prometheus reads: queue, attempts, workers and requests of all projects."""
    with connected(server) as client:
        typer.echo(client.metrics(), nl=False)


def fleet_words(found: Fleet) -> Words:
    """The queue, the installation's workers with what they offer, and a row for each slot that did something."""
    queue = found.queue
    head = f"{queue.running} running, {queue.queued} queued, {queue.waiting} waiting"
    head += "; announcements wait: no dispatcher runs, or its broker is away" if found.dispatch.late else ""
    rows = tuple(
        (
            one.name,
            one.device or "-",
            ", ".join(f"{held.kind} {held.job[:8]}" for held in one.holds) or "idle or gone",
            str(one.succeeded),
            str(one.failed),
            str(one.lost),
        )
        for one in found.workers
    )
    offers = tuple(
        (
            pool.name,
            f"{pool.held} of {pool.slots}",
            str(pool.gpus),
            ",".join(pool.takes),
            "drained" if pool.drained else "takes jobs" if pool.live else "silent",
        )
        for pool in found.pools
    )
    workers = [Table(("worker", "slots", "GPUs", "takes", "state"), offers, words=2)] if offers else []
    return [head, *workers, Table(("slot", "device", "holds", "succeeded", "failed", "lost"), rows, words=3)]


def architecture_words(found: Described) -> Words:
    """An architecture's figures, and its prunable tensors."""
    units = (
        ", ".join(f"{stage.name}: {len(stage.units)} units" for stage in found.stages) or "nothing repeats"
    )
    head = f"{found.name}: {found.prunable:,} prunable of {found.parameters:,} weights; {units}"
    rows = tuple(
        (one.name, _size(one.shape), one.role, f"{one.size:,}") for one in found.tensors if one.prunable
    )
    return [head, Table(("tensor", "shape", "role", "weights"), rows, words=3)]


def _size(shape: list[int]) -> str:
    return "×".join(map(str, shape))


def _definition(file: Path) -> Any:
    try:
        found = json.loads(file.read_bytes())
    except ValueError as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="FILE") from None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{file} is no object of an architecture's fields", param_hint="FILE")
    return found
