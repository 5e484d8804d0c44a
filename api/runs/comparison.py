"""Trainings beside one another: what their specifications differ in, where they ended, their curves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.catalog.tables import Job, Result, Run
from core.studies.figures import ACCURACY, Chart, Curve, Point

GROUPS = ("training", "job", "recipe", "fingerprint")
"""Where a field stands: what was trained, what was asked for, how it trains, what computed it."""

# The training says for itself which of the job's networks, tickets, seeds and orders were its own, and where it ran.
_OF_SEVERAL = {
    *("architecture", "dataset", "tickets", "seeds", "order_seeds", "recipe"),
    *("fresh", "latency", "device", "memory_mib"),
}
_TOLD = {
    "architecture": "architecture",
    "dataset": "dataset",
    "ticket_id": "ticket",
    "seed": "seed",
    "order_seed": "order_seed",
    "level": "level",
    "sparsity": "sparsity",
    "start_step": "start_step",
}

Fields = dict[tuple[str, str], Any]


@dataclass(frozen=True)
class Trained:
    """One training of a finished job, with what it measured after the last step and at its best epoch."""

    job: Job
    run: Run
    last: Result | None
    best: Result | None

    @property
    def reference(self) -> str:
        """JOB:NUMBER."""
        return f"{self.run.job_id}:{self.run.ordinal}"


@dataclass(frozen=True)
class Difference:
    """A field that is not the same in all trainings, and its value in each; None where one has no such field."""

    group: str
    field: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Compared:
    """Trainings by name. `common`: the fields that all have, with the value that they share."""

    trainings: tuple[tuple[str, Trained], ...]
    differing: tuple[Difference, ...]
    common: Fields
    figures: tuple[Chart, ...]


def compare(trainings: Sequence[Trained]) -> Compared:
    """Lay trainings side by side, in the order given."""
    named = tuple(zip(names(trainings), trainings, strict=True))
    told = [_fields(one) for one in trainings]
    differing, common = [], Fields()
    for group, field in dict.fromkeys(key for fields in told for key in fields):
        values = tuple(fields.get((group, field)) for fields in told)
        if any(not _same(value, values[0]) for value in values):
            differing.append(Difference(group, field, values))
        elif values[0] is not None:
            common[group, field] = values[0]
    differing.sort(key=lambda one: GROUPS.index(one.group))
    return Compared(named, tuple(differing), common, tuple(_figures(named)))


def names(trainings: Sequence[Trained]) -> list[str]:
    """What tells each apart: network, seed, order and level, and its reference where that is not enough."""
    short = [name(one.run) for one in trainings]
    often = Counter(short)
    return [
        text if often[text] == 1 else f"{text} · {one.run.job_id[:8]}:{one.run.ordinal}"
        for text, one in zip(short, trainings, strict=True)
    ]


def name(run: Run) -> str:
    """Network, seed, and order and level where they say something."""
    order = f"order {run.order_seed}" if run.order_seed != run.seed else None
    level = f"level {run.level}" if run.level is not None else None
    return " · ".join(part for part in (run.architecture, f"seed {run.seed}", order, level) if part)


def _fields(one: Trained) -> Fields:
    spec: dict[str, Any] = one.job.spec
    asked = {key: value for key, value in spec.items() if key not in _OF_SEVERAL}
    of = {
        "training": {label: getattr(one.run, column) for column, label in _TOLD.items()},
        "job": asked,
        "recipe": spec.get("recipe") or {},
        "fingerprint": one.run.fingerprint,
    }
    return {(group, path): value for group in GROUPS for path, value in _flat(of[group])}


def _flat(fields: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """What is nested, by its dotted path; lists are values."""
    for key, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _same(one: Any, other: Any) -> bool:
    """As JSON: 1 is not true, and lists are compared in order."""
    return json.dumps(one) == json.dumps(other)


def _figures(trainings: Sequence[tuple[str, Trained]]) -> Iterator[Chart]:
    def accuracy(epoch: Mapping[str, Any]) -> float:
        return float(100 * epoch["correct"] / epoch["total"])

    yield _figure("accuracy", "Test accuracy", ACCURACY, trainings, accuracy)
    yield _figure("train_loss", "Training loss", "loss", trainings, lambda epoch: float(epoch["train_loss"]))
    yield _figure("test_loss", "Test loss", "loss", trainings, lambda epoch: float(epoch["test_loss"]))


def _figure(
    key: str,
    title: str,
    y: str,
    trainings: Sequence[tuple[str, Trained]],
    value: Callable[[Mapping[str, Any]], float],
) -> Chart:
    curves = (
        Curve(text, tuple(Point(float(epoch["epoch"]), value(epoch)) for epoch in one.run.history))
        for text, one in trainings
        if one.run.history
    )
    return Chart(key, title, "epoch", y, tuple(curves))
