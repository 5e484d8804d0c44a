"""A job's spec in words: one line for lists, a definition list for its page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.pages.formats import numbers, plural, short
from core.catalog import tickets
from core.catalog.tables import Job
from core.jobs.methods import METHODS

Networks = Mapping[str, str]
"""Architectures by ticket id, of the tickets that are still here."""

_RECIPE = {
    "length": "length",
    "batch": "batch",
    "lr": "learning rate",
    "momentum": "momentum",
    "weight_decay": "weight decay",
    "milestones": "milestones",
    "gamma": "γ",
    "warmup": "warmup",
    "rewind": "rewind to",
    "augment": "augmentation",
    "dense": "kept dense",
}


@dataclass(frozen=True)
class Link:
    """A value that leads somewhere."""

    text: str
    href: str


@dataclass(frozen=True)
class Term:
    """One line of a definition list: what it is called, and its values."""

    name: str
    values: tuple[str | Link, ...]


def networks(session: Session, jobs: Iterable[Job]) -> Networks:
    """The architectures of every ticket that these jobs name, in one query."""
    named = [identity for job in jobs for identity in job.spec.get("tickets") or ()]
    return tickets.architectures(session, named)


def summary(spec: Mapping[str, Any], known: Networks) -> str:
    """A spec in one line, without its kind."""
    match spec.get("kind"):
        case "find":
            parts = [f"{spec['architecture']} on {spec['dataset']}", _method(spec), _seeds(spec)]
        case "transform":
            parts = [
                f"{_tickets(spec, known)} → {spec['architecture']}",
                "explicit unit map" if spec.get("unit_map") else spec.get("order"),
                f"refit to {spec['dataset']}" if spec.get("dataset") else None,
            ]
        case "train":
            what = _tickets(spec, known) if spec.get("tickets") else f"dense {spec['architecture']}"
            parts = [f"{what} on {spec['dataset']}", _seeds(spec), _orders(spec)]
        case "evaluate":
            what = _tickets(spec, known) if spec.get("tickets") else f"trainings of job {short(spec['job'])}"
            parts = [f"{what} on {spec['dataset']}"]
        case _:
            parts = []
    return " · ".join(part for part in parts if part)


def _method(spec: Mapping[str, Any]) -> str:
    parameters = spec.get("parameters") or {}
    if spec.get("method") == "imp":
        return f"imp level {parameters.get('level')}"
    if "survivors" in parameters:
        return f"{spec.get('method')}, {plural(parameters['survivors'], 'survivor')}"
    return str(spec.get("method"))


def _tickets(spec: Mapping[str, Any], known: Networks) -> str:
    given = spec["tickets"]
    names = sorted({known[identity] for identity in given if identity in known})
    kind = f"{names[0]} ticket" if len(names) == 1 else "ticket"
    return plural(len(given), kind)


def _seeds(spec: Mapping[str, Any]) -> str | None:
    seeds = spec.get("seeds")
    if not seeds:
        return None
    return f"seed{'s' if len(seeds) > 1 else ''} {numbers(seeds)}"


def _orders(spec: Mapping[str, Any]) -> str | None:
    orders = spec.get("order_seeds")
    return f"data order{'s' if len(orders) > 1 else ''} {numbers(orders)}" if orders else None


def terms(spec: Mapping[str, Any], known: Networks) -> list[Term]:
    """A spec as a definition list: what was asked, what was left to defaults where that says something."""
    found: list[Term] = []

    def say(name: str, *values: str | Link | None) -> None:
        stated = tuple(value for value in values if value is not None)
        if stated:
            found.append(Term(name, stated))

    say("tickets", *(_ticket(identity, known) for identity in spec.get("tickets") or ()))
    if job := spec.get("job"):
        say("job", Link(short(job), f"/ui/jobs/{job}"))
    say("target" if spec.get("kind") == "transform" else "architecture", spec.get("architecture"))
    say("dataset", spec.get("dataset"))
    if method := spec.get("method"):
        say("method", METHODS[method].title if method in METHODS else method)
    for name, value in (spec.get("parameters") or {}).items():
        say(name, _plain(value))
    for name in ("order", "unit_map", "stem", "head"):
        say(name.replace("_", " "), spec.get(name))
    if spec.get("seeds"):
        say("seeds", numbers(spec["seeds"]))
    if spec.get("order_seeds"):
        say("data orders", numbers(spec["order_seeds"]))
    if "exact" in spec:
        say("arithmetic", "exact: the same digests on every run" if spec["exact"] else "fast")
    return found


def recipe(spec: Mapping[str, Any]) -> list[Term]:
    """How it trains, as a definition list; empty for a job that trains nothing."""
    given = spec.get("recipe") or {}
    stated = ((label, given[name]) for name, label in _RECIPE.items() if given.get(name) is not None)
    return [Term(label, (_plain(value),)) for label, value in stated if value != []]


def _ticket(identity: str, known: Networks) -> Link | str:
    name = known.get(identity)
    return Link(f"{name} {short(identity)}", f"/ui/tickets/{identity}") if name else short(identity)


def _plain(value: Any) -> str:
    """A value of a spec as text: durations spelled out, truth as a word."""
    match value:
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(_plain(item) for item in value)
        case str() if value[:-2].isdigit() and value.endswith(("ep", "it")):
            return plural(int(value[:-2]), "epoch" if value.endswith("ep") else "step")
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
        case _:
            return str(value)
