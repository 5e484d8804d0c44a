"""The client's commands for tickets that are there: listed, looked at, compared."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

import typer

from cli.options import HERE, PAGE, AsJson, Limit, Server, Ticket, connected
from cli.printing import show
from cli.ticket_wording import (
    anatomy_words,
    comparison_words,
    layers_table,
    lineage_words,
    results_words,
    tickets_table,
)


def tickets(
    architecture: Annotated[str | None, typer.Option(help="Only of this architecture.")] = None,
    family: Annotated[str | None, typer.Option(help="Only of this family, such as mlp.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only found on this dataset.")] = None,
    method: Annotated[str | None, typer.Option(help="Only made so: imp, ett …")] = None,
    parent: Annotated[str | None, typer.Option(metavar="TICKET", help="Only transformed from it.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only with this tag.")] = None,
    sparsity_min: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    sparsity_max: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """List the newest tickets."""
    filters: dict[str, Any] = {
        "architecture": architecture,
        "family": family,
        "dataset": dataset,
        "method": method,
        "parent": parent,
        "tag": tag,
        "sparsity_min": sparsity_min,
        "sparsity_max": sparsity_max,
    }
    with connected(server) as client:
        found = client.tickets(**filters, limit=min(limit, PAGE))
        show(list(islice(found, limit)), tickets_table, as_json)


def layers(ticket: Ticket, as_json: AsJson = False, server: Server = HERE) -> None:
    """Tell how many weights survive in each layer of a ticket."""
    with connected(server) as client:
        show(client.layers(ticket), layers_table, as_json)


def lineage(ticket: Ticket, as_json: AsJson = False, server: Server = HERE) -> None:
    """Tell what a ticket was transformed from, and what was transformed from it."""
    with connected(server) as client:
        show(client.lineage(ticket), lineage_words, as_json)


def results(ticket: Ticket, as_json: AsJson = False, server: Server = HERE) -> None:
    """Tell a ticket's accuracies, by dataset."""
    with connected(server) as client:
        show(client.results(ticket), results_words, as_json)


def anatomy(ticket: Ticket, as_json: AsJson = False, server: Server = HERE) -> None:
    """Tell which units of a ticket repeat; as JSON with a draft of an architecture to post."""
    with connected(server) as client:
        show(client.anatomy(ticket), anatomy_words, as_json)


def compare(
    ticket: Ticket,
    other: Annotated[str, typer.Argument(help="Another ticket's id.")],
    as_json: AsJson = False,
    server: Server = HERE,
) -> None:
    """Tell how much two tickets agree: their masks, beside what chance would give, and their weights."""
    with connected(server) as client:
        show(client.compare(ticket, other), comparison_words, as_json)
