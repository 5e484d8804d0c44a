"""`elasticket plan`: what sparse networks would cost by each method, before anything is trained."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import Json
from cli.options import HERE, AsJson, Recipe, Server, connected, fields, pairs, show
from core.studies.table import Table


def plan(
    targets: Annotated[
        list[str], typer.Argument(metavar="ARCHITECTURE", help="The networks that are wanted.")
    ],
    *,
    dataset: Annotated[str, typer.Option(help="A dataset, as /datasets lists them.")],
    level: Annotated[int, typer.Option(min=1, help="IMP's prunings.")] = 10,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="elth, dense, or as /methods lists them; may be repeated. Default: elth, imp, rigl, dense."
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
    body = {
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
        show(client.price(body), words, as_json)


def words(answer: Json) -> str:
    """The table, the cheapest, the assumptions."""
    lines = [table(answer).text(), ""]
    if answer["cheapest"]:
        lines.append(f"cheapest: {answer['cheapest']}")
    if answer["cheapest_source"]:
        lines.append(f"cheapest source: {answer['cheapest_source']}")
    return "\n".join([*lines, "assumed:", *(f"  {sentence}" for sentence in answer["assumptions"])])


def table(answer: Json) -> Table:
    """A row per way."""
    columns = ("method", "trainings", "steps", "hours", "rewinding", "device hours")
    priced = answer["currency"] is not None
    rows = [
        (
            plan["name"],
            f"{plan['trainings']:g}",
            f"{plan['steps']:,}",
            *(_number(plan[name]) for name in ("hours", "rewound_hours", "device_hours")),
            *([_number(plan["money"])] if priced else []),
        )
        for plan in answer["plans"]
    ]
    return Table((*columns, *([answer["currency"]] if priced else [])), tuple(rows))


def _number(value: float | None) -> str:
    """Three digits of what is small; tenths, and what was given more exactly, of the rest."""
    if value is None:
        return "-"
    return f"{value:.3g}" if value < 1 else f"{value:,.2f}".rstrip("0").rstrip(".")


def _hours(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number of hours", param_hint="--hours") from None
