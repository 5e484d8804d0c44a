"""`elasticket admin quota` and `retention`: how much a project may have, and for how long it keeps what."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated

import typer

from cli.here import ProjectName, operator, project_catalog, store
from cli.operate import Home, say

_NONE = ("none", "ever")
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}

Bytes = Annotated[
    str | None,
    typer.Option(
        "--bytes", metavar="N|none", help="Artifacts that it may store: 500M, 20G, 2T (powers of 1024)."
    ),
]
Waiting = Annotated[
    str | None,
    typer.Option(
        "--waiting", metavar="N|none", help="Jobs that may wait, those to come of open studies included."
    ),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="WHAT=DAYS|ever",
        help="logs, weights, jobs, keys (of requests) or audit, for so many days.",
    ),
]


def quota(project: ProjectName, most_bytes: Bytes = None, waiting: Waiting = None, home: Home = None) -> None:
    """Show or set how much a project may have. What it has already stays."""
    from dataclasses import replace

    from core.catalog import audit, quotas
    from core.catalog.quotas import Sizes

    with project_catalog(home, project) as database:
        if most_bytes is not None or waiting is not None:
            with database.write() as session:
                given = quotas.quota(session)
                if most_bytes is not None:
                    given = replace(given, bytes=_number(most_bytes, "--bytes"))
                if waiting is not None:
                    given = replace(given, waiting=_number(waiting, "--waiting"))
                quotas.set_quota(session, project, given)
                audit.enter(session, operator("quota", project))
        with database.read() as session:
            found, wait = quotas.quota(session), quotas.waiting(session)
            stored = Sizes(store(home)).stored(session)
    typer.echo(f"bytes    {stored} of {_told(found.bytes)}")
    typer.echo(f"waiting  {wait} of {_told(found.waiting)}")


def retention(
    project: ProjectName,
    keep: Keep = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would go now; change nothing.")
    ] = False,
    now: Annotated[bool, typer.Option("--now", help="Drop it now, not within the hour.")] = False,
    home: Home = None,
) -> None:
    """Show or set for how long a project keeps what. Nothing of a study, and nothing tagged, is ever dropped by age."""
    from core.catalog import audit
    from core.catalog import retention as rules

    given = [_rule(word, rules.RULES) for word in keep or ()]
    with project_catalog(home, project) as database:
        if dry_run:
            with database.read() as session:
                counted = rules.due(session, rules.rules(session) | dict(given))
            typer.echo(
                "\n".join(f"{what:8} {count} would go" for what, count in counted.items()) or "no rules"
            )
            return
        if given:
            with database.write() as session:
                for what, days in given:
                    rules.keep(session, what, days)
                audit.enter(session, operator("retention", project))
        if now:
            for _, what, count in rules.apply(database, only=project):
                say(f"dropped {count} of {what}")
        with database.read() as session:
            kept = rules.rules(session)
    for what in rules.RULES:
        typer.echo(f"{what:8} {f'{kept[what]:g} days' if what in kept else 'ever'}")


def _number(text: str, option: str) -> int | None:
    if text in _NONE:
        return None
    found = re.fullmatch(r"(\d{1,15})([kmgt]?)(?:i?b)?", text.lower())
    if found is None:
        raise typer.BadParameter(
            f"{text!r} is no number such as 100, 500M or 20G, nor none", param_hint=option
        )
    return int(found[1]) << _UNITS[found[2]]


def _rule(word: str, names: Collection[str]) -> tuple[str, float | None]:
    what, _, days = word.partition("=")
    if what not in names or not (days in _NONE or re.fullmatch(r"\d{1,5}(\.\d+)?", days)):
        raise typer.BadParameter(
            f"{word!r} is not WHAT=DAYS with one of {', '.join(names)}, as in logs=30 or logs=ever",
            param_hint="--keep",
        )
    return what, None if days in _NONE else float(days)


def _told(most: int | None) -> str:
    return "any number" if most is None else str(most)
