"""The audit log, as those read it who have an admin's key."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

import typer

from cli.options import HERE, PAGE, AsJson, Limit, Server, connected
from cli.printing import show
from core.studies.table import Table

Resource = Annotated[
    str | None, typer.Option("--of", metavar="ID", help="Only what was done to this ticket, job, key …")
]


def audit(
    resource: Resource = None, limit: Limit = 20, as_json: AsJson = False, server: Server = HERE
) -> None:
    """List what was changed in your project, by whom, and which of its keys were refused."""
    with connected(server) as client:
        found = client.audit(resource=resource, limit=min(limit, PAGE))
        show(list(islice(found, limit)), audit_table, as_json)


def audit_table(entries: list[Any]) -> Table:
    """A row for each."""
    rows = tuple(
        (
            f"{one.at:%Y-%m-%d %H:%M:%S}",
            one.key or one.by,
            f"{one.method} {one.route}",
            one.resource or "-",
            one.outcome,
            one.address or "-",
        )
        for one in entries
    )
    return Table(("at", "who", "what", "of", "outcome", "from"), rows, words=6)
