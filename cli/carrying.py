"""The client's command that carries tickets to another network, or tells what would come of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.options import (
    HERE,
    Architecture,
    AsJson,
    Fresh,
    Priority,
    Server,
    Tickets,
    Wait,
    connected,
    numbers,
    pairs,
    submitted,
)
from cli.printing import show
from cli.wording import plan_words

_ORDERS = "append, interpolate, drop_last, drop_first or drop_even"


def transform(
    tickets: Tickets,
    architecture: Architecture,
    order: Annotated[
        list[str] | None,
        typer.Option(metavar="[STAGE=]ORDER", help=f"{_ORDERS}; for all stages, or once per stage."),
    ] = None,
    unit_map: Annotated[
        str | None, typer.Option("--map", metavar="MAP", help="An explicit map, such as '0:0;1:1,2|…'.")
    ] = None,
    replicate: Annotated[
        list[str] | None, typer.Option(metavar="STAGE=1,2", help="Replicate only these units of a stage.")
    ] = None,
    via: Annotated[
        list[str] | None,
        typer.Option(metavar="ARCHITECTURE[=ORDER]", help="Pass through this member first; may be repeated."),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Refit to this dataset's images and classes.")] = None,
    head: Annotated[str | None, typer.Option(help="The last layer: fresh or copy.")] = None,
    stem: Annotated[str | None, typer.Option(help="The first layer: fresh or copy.")] = None,
    noise: Annotated[
        float | None, typer.Option(help="Relative noise on replicated channels (width).")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="replicate, or reinit: carry the mask only.")] = None,
    permute: Annotated[
        int | None, typer.Option(metavar="SEED", help="Ablation: shuffle the masks of replicated copies.")
    ] = None,
    norm: Annotated[
        str | None, typer.Option(help="Ablation: fresh normalisation in replicated copies.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="Ablation: zero restarts at step 0.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would come of it; do nothing.")
    ] = False,
    fresh: Fresh = False,
    priority: Priority = None,
    wait: Wait = False,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Stretch or squeeze tickets into another member of their family."""
    body: Any = {
        "tickets": tickets,
        "architecture": architecture,
        "order": _order(order),
        "unit_map": unit_map,
        "replicate": {stage: numbers(units, "--replicate") for stage, units in pairs(replicate).items()}
        or None,
        "via": [_hop(word) for word in via or []] or None,
        "dataset": dataset,
        "head": head,
        "stem": stem,
        "noise": noise,
        "weights": weights,
        "permute": permute,
        "norm": norm,
        "start": start,
        "fresh": fresh or None,
    }
    with connected(server) as client:
        if dry_run:
            show(client.plan_transform(**body), plan_words, as_json)
        else:
            submitted(client, client.transform(priority=priority, **body), wait, as_json)


def _order(given: list[str] | None) -> Any:
    """One order for all stages, or one by stage."""
    if given and len(given) == 1 and "=" not in given[0]:
        return given[0]
    return pairs(given) or None


def _hop(word: str) -> dict[str, Any]:
    architecture, _, order = word.partition("=")
    return {"architecture": architecture} | ({"order": order} if order else {})
