"""A job's spec in words: one line for lists, a definition list for its page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.pages.formats import numbers, short, size
from core.catalog import tickets
from core.catalog.tables import Job
from core.jobs.formats import FORMATS
from core.jobs.methods import METHODS
from core.jobs.specs import TransformSpec
from core.studies.words import plural

Networks = Mapping[str, str]
"""Architectures by ticket id, of the tickets that are still here."""

_RECIPE = {
    "length": "length",
    "batch": "batch",
    "optimizer": "optimizer",
    "lr": "learning rate",
    "momentum": "momentum",
    "nesterov": "Nesterov momentum",
    "weight_decay": "weight decay",
    "decay": "weight decay on",
    "label_smoothing": "label smoothing",
    "schedule": "schedule",
    "milestones": "milestones",
    "gamma": "γ",
    "warmup": "warmup",
    "rewind": "rewind to",
    "augment": "augmentation",
    "dense": "kept dense",
}

_SCHEDULE = {
    "scope": "layer densities",
    "alpha": "α",
    "every": "steps between updates",
    "begin": "first update at step",
    "end": "share of the run with updates",
    "multiplier": "times as long",
}
_NORMALISED = {"global": "over the whole batch", "local": "over each one's share"}
_ABLATIONS = ("weights", "permute", "norm", "start")
_OPTIONS = ("replicate", *_ABLATIONS, "noise", "head", "stem")
_SAID = (
    "format",
    "architecture",
    "input",
    "dataset",
    "seed",
    "level",
    "rewind_step",
    "steps_per_epoch",
    "tags",
)


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
    named = [
        identity
        for job in jobs
        for identity in (*(job.spec.get("tickets") or ()), job.spec.get("ticket"))
        if identity
    ]
    return tickets.architecture_names(session, named)


def summary(spec: Mapping[str, Any], known: Networks) -> str:
    """A spec in one line, without its kind."""
    match spec.get("kind"):
        case "find":
            parts = [f"{spec['architecture']} on {spec['dataset']}", _method(spec), _seeds(spec)]
        case "transform":
            parts = [
                " → ".join([_tickets(spec, known), *_hops(spec)]),
                "explicit unit map" if spec.get("unit_map") else _order(spec.get("order")),
                "ablation" if any(name in _departures(spec) for name in _ABLATIONS) else None,
                f"refit to {spec['dataset']}" if spec.get("dataset") else None,
            ]
        case "train":
            what = _tickets(spec, known) if spec.get("tickets") else _network(spec)
            parts = [f"{what} on {spec['dataset']}", _seeds(spec), _orders(spec)]
        case "evaluate":
            what = _tickets(spec, known) if spec.get("tickets") else f"trainings of job {short(spec['job'])}"
            parts = [f"{what} on {spec['dataset']}", "latency" if spec.get("latency") else None]
        case "connect":
            parts = [
                " – ".join(_training(end) for end in spec["trainings"]),
                f"on {spec['dataset']}",
                plural(spec["points"], "point"),
            ]
        case "import":
            parts = [f"{spec.get('format') or 'file'} of {size(spec['size'])}", spec.get("architecture")]
        case "export":
            parts = [f"{known.get(spec['ticket'], 'ticket')} {short(spec['ticket'])} → {spec['format']}"]
        case _:
            parts = []
    return " · ".join(part for part in parts if part)


def _method(spec: Mapping[str, Any]) -> str:
    parameters = spec.get("parameters") or {}
    if spec.get("method") == "imp":
        return f"imp level {parameters.get('level')}"
    if (survivors := parameters.get("survivors")) is not None:
        return f"{spec.get('method')}, {plural(survivors, 'survivor')}"
    if (sparsity := parameters.get("sparsity")) is not None:
        return f"{spec.get('method')}, sparsity {sparsity:g}"
    return str(spec.get("method"))


def _network(spec: Mapping[str, Any]) -> str:
    """What a train job without tickets trains."""
    schedule = spec.get("sparsity_schedule")
    if not schedule:
        return f"dense {spec['architecture']}"
    kept = (
        f"sparsity {schedule['sparsity']:g}"
        if schedule.get("survivors") is None
        else plural(schedule["survivors"], "survivor")
    )
    longer = f", {schedule['multiplier']} times as long" if schedule["multiplier"] > 1 else ""
    return f"{schedule['method']} {spec['architecture']}, {kept}{longer}"


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


def _hops(spec: Mapping[str, Any]) -> list[str]:
    """The networks that a transformation leads to, the target last."""
    return [*(hop["architecture"] for hop in spec.get("via") or ()), spec["architecture"]]


def _order(order: str | Mapping[str, str] | None) -> str | None:
    """A named order, or one for each stage."""
    if isinstance(order, Mapping):
        return ", ".join(f"{stage} {name}" for stage, name in order.items())
    return order


def _departures(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a transformation that differ from the default."""
    return {
        name: spec[name]
        for name in _OPTIONS
        if name in spec
        and spec[name] != TransformSpec.model_fields[name].get_default(call_default_factory=True)
    }


def _training(end: Mapping[str, Any]) -> str:
    return f"training {end['run']} of job {short(end['job'])}"


def terms(spec: Mapping[str, Any], known: Networks) -> list[Term]:
    """A spec as a definition list: what was asked, what was left to defaults where that says something."""
    found: list[Term] = []

    def say(name: str, *values: str | Link | None) -> None:
        stated = tuple(value for value in values if value is not None)
        if stated:
            found.append(Term(name, stated))

    say("tickets", *(_ticket(identity, known) for identity in spec.get("tickets") or ()))
    if ticket := spec.get("ticket"):
        say("ticket", _ticket(ticket, known))
    if job := spec.get("job"):
        say("job", Link(short(job), f"/ui/jobs/{job}"))
    say("trainings", *(Link(_training(end), f"/ui/jobs/{end['job']}") for end in spec.get("trainings") or ()))
    if "points" in spec:
        say("points", plural(spec["points"], "network"))
    if spec.get("kind") == "export":
        say(
            "format",
            Link(FORMATS[spec["format"]].title, f"/tickets/{spec['ticket']}/file?format={spec['format']}"),
        )
    if spec.get("kind") == "import":
        say("file", f"{size(spec['size'])}, SHA-256 {short(spec['sha256'])}…")
        for name in _SAID:
            if spec.get(name) not in (None, []):
                say(name.replace("_", " "), _plain(spec[name]))
        return found
    if spec.get("kind") == "transform":
        say("target", " → ".join(_hops(spec)))
        say("order", _order(spec.get("order")))
        say("unit map", spec.get("unit_map"))
    else:
        say("architecture", spec.get("architecture"))
    say("dataset", spec.get("dataset"))
    if method := spec.get("method"):
        say("method", METHODS[method].title if method in METHODS else method)
    for name, value in (spec.get("parameters") or {}).items():
        say(name, _plain(value))
    if schedule := spec.get("sparsity_schedule"):
        say("sparse training", METHODS[schedule["method"]].title)
        for name, value in schedule.items():
            if name != "method":
                say(_SCHEDULE.get(name, name), None if value is None else _plain(value))
    if spec.get("kind") == "transform":
        for name, value in _departures(spec).items():
            say(name, _plain(value))
    if spec.get("seeds"):
        say("seeds", numbers(spec["seeds"]))
    if spec.get("order_seeds"):
        say("data orders", numbers(spec["order_seeds"]))
    if "exact" in spec:
        say("arithmetic", "exact: the same digests on every run" if spec["exact"] else "fast")
    if (devices := spec.get("devices", 1)) > 1:
        say("devices", f"{devices}, batch normalisation {_NORMALISED[spec['batch_norm']]}")
    if spec.get("latency"):
        say("latency", "timed on the device that did it")
    if spec.get("fresh"):
        say("earlier work", "none of it used")
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
        case Mapping():
            return "; ".join(f"{name} {_plain(item)}" for name, item in value.items())
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
