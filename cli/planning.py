"""`elasticket plan`: what sparse networks would cost by each method, before anything is trained."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.client.models.studies import Plan
from cli import completion
from cli.options import HERE, AsJson, Recipe, Server, connected, fields, pairs
from cli.printing import Words, show
from core.studies.table import Table
from core.studies.words import amount


def plan(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="ARCHITECTURE",
            help="The networks that are wanted.",
            autocompletion=completion.architectures,
        ),
    ],
    *,
    dataset: Annotated[
        str, typer.Option(help="A dataset, as `datasets` lists them.", autocompletion=completion.datasets)
    ],
    level: Annotated[int, typer.Option(min=1, help="IMP's prunings.")] = 10,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="elth, dense, or as `methods` lists them; may be repeated. Default: elth, imp, rigl, dense."
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="ARCHITECTURE", help="Whose ticket is stretched. Default: each in turn."),
    ] = None,
    also: Annotated[
        list[str] | None, typer.Option(metavar="ARCHITECTURE", help="A further source; may be repeated.")
    ] = None,
    hours: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ARCHITECTURE=HOURS",
            help="What one training of it takes on all devices; default: as measured here.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    devices: Annotated[int, typer.Option(min=1, help="That work together on each training.")] = 1,
    price: Annotated[float | None, typer.Option(min=0, help="Of one device for an hour.")] = None,
    currency: Annotated[str | None, typer.Option(help="Default: USD.")] = None,
    multiplier: Annotated[
        int | None, typer.Option(min=1, help="How many times longer rigl, set and static train; default: 5.")
    ] = None,
    recipe: Recipe = None,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Tell what sparse networks would cost by each method, and the cheapest; nothing is trained."""
    body: Any = {
        "targets": targets,
        "dataset": dataset,
        "level": level,
        "methods": method or None,
        "source": source,
        "sources": also or None,
        "hours": {name: _hours(value) for name, value in pairs(hours).items()} or None,
        "seeds": seeds,
        "devices": devices,
        "price": price,
        "currency": currency,
        "multiplier": multiplier,
        "recipe": fields(recipe) or None,
    }
    with connected(server) as client:
        show(client.plan(**body), words, as_json)


def words(plan: Plan) -> Words:
    """The table, the cheapest, the assumptions."""
    lines = [f"cheapest: {plan.cheapest}"] if plan.cheapest else []
    if plan.cheapest_source:
        lines.append(f"cheapest source: {plan.cheapest_source}")
    return [table(plan), "\n".join(["", *lines, "assumed:", *(f"  {one}" for one in plan.assumptions)])]


def table(plan: Plan) -> Table:
    """A row per way."""
    columns = ("method", "trainings", "steps", "hours", "rewinding", "device hours")
    rows = [
        (
            way.name,
            f"{way.trainings:g}",
            f"{way.steps:,}",
            *map(_number, (way.hours, way.rewound_hours, way.device_hours)),
            *([_number(way.money)] if plan.currency is not None else []),
        )
        for way in plan.plans
    ]
    return Table((*columns, *([plan.currency] if plan.currency is not None else [])), tuple(rows))


def _number(value: float | None) -> str:
    return "-" if value is None else amount(value)


def _hours(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number of hours", param_hint="--hours") from None
