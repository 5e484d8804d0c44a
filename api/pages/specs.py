"""A job's spec in words: one line for lists, a definition list for its page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
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


_Line = tuple[str, Sequence[str | Link | None]]
"""A line before what says nothing is left out of it."""


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
    asked = [_imported(spec)] if spec.get("kind") == "import" else [_what(spec), _how(spec)]
    stated = (
        (name, tuple(value for value in values if value is not None))
        for name, values in chain(_given(spec, known), *asked)
    )
    return [Term(name, values) for name, values in stated if values]


def _given(spec: Mapping[str, Any], known: Networks) -> Iterator[_Line]:
    """What it is done with: tickets, jobs, trainings."""
    yield "tickets", [_ticket(identity, known) for identity in spec.get("tickets") or ()]
    if ticket := spec.get("ticket"):
        yield "ticket", [_ticket(ticket, known)]
    if job := spec.get("job"):
        yield "job", [Link(short(job), f"/ui/jobs/{job}")]
    yield "trainings", [Link(_training(end), f"/ui/jobs/{end['job']}") for end in spec.get("trainings") or ()]
    if "points" in spec:
        yield "points", [plural(spec["points"], "network")]
    if spec.get("kind") == "export":
        href = f"/tickets/{spec['ticket']}/file?format={spec['format']}"
        yield "format", [Link(FORMATS[spec["format"]].title, href)]


def _imported(spec: Mapping[str, Any]) -> Iterator[_Line]:
    """The file of an import, and what was said of it."""
    yield "file", [f"{size(spec['size'])}, SHA-256 {short(spec['sha256'])}…"]
    for name in _SAID:
        if spec.get(name) not in (None, []):
            yield name.replace("_", " "), [_plain(spec[name])]


def _what(spec: Mapping[str, Any]) -> Iterator[_Line]:
    """The networks, the data and the method."""
    transforms = spec.get("kind") == "transform"
    if transforms:
        yield "target", [" → ".join(_hops(spec))]
        yield "order", [_order(spec.get("order"))]
        yield "unit map", [spec.get("unit_map")]
    else:
        yield "architecture", [spec.get("architecture")]
    yield "dataset", [spec.get("dataset")]
    if method := spec.get("method"):
        yield "method", [METHODS[method].title if method in METHODS else method]
    for name, value in (spec.get("parameters") or {}).items():
        yield name, [_plain(value)]
    if schedule := spec.get("sparsity_schedule"):
        yield "sparse training", [METHODS[schedule["method"]].title]
        for name, value in schedule.items():
            if name != "method":
                yield _SCHEDULE.get(name, name), [None if value is None else _plain(value)]
    if transforms:
        for name, value in _departures(spec).items():
            yield name, [_plain(value)]


def _how(spec: Mapping[str, Any]) -> Iterator[_Line]:
    """Replicates, arithmetic, devices."""
    if spec.get("seeds"):
        yield "seeds", [numbers(spec["seeds"])]
    if spec.get("order_seeds"):
        yield "data orders", [numbers(spec["order_seeds"])]
    if "exact" in spec:
        yield "arithmetic", ["exact: the same digests on every run" if spec["exact"] else "fast"]
    if (device := spec.get("device", "any")) != "any":
        yield "device", [device.upper()]
    if memory := spec.get("memory_mib"):
        yield "memory", [f"{memory:,} MiB on each device"]
    if (devices := spec.get("devices", 1)) > 1:
        yield "devices", [f"{devices}, batch normalisation {_NORMALISED[spec['batch_norm']]}"]
    if spec.get("latency"):
        yield "latency", ["timed on the device that did it"]
    if spec.get("fresh"):
        yield "earlier work", ["none of it used"]


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
