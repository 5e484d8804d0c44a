"""Measured accuracies as tables: replicates side by side, mean ± std over them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from api.pages.formats import numbers, percent
from api.pages.specs import Networks
from core.catalog.tables import Job, Result, Run


@dataclass(frozen=True)
class Measured:
    """One network measured: after the last step and at its best epoch, or once by an evaluate job."""

    architecture: str
    dataset: str
    ticket_id: str | None
    seed: int | None
    order_seed: int | None
    level: int | None
    sparsity: float | None
    last: float
    loss: float
    best: float | None = None
    best_epoch: int | None = None
    steps: int | None = None
    seconds: float | None = None
    shared: bool = False


@dataclass(frozen=True)
class Replicates:
    """Measurements that differ in the seed alone, or of one ticket in the data order alone."""

    rows: Sequence[Measured]

    @property
    def first(self) -> Measured:
        """The one whose architecture, dataset and level stand for all."""
        return self.rows[0]

    @property
    def sparsity(self) -> str:
        """Their actual sparsity; a range where it differs, as it does for transformed tickets."""
        found = [row.sparsity for row in self.rows if row.sparsity is not None]
        if not found:
            return "–"
        low, high = percent(min(found)), percent(max(found))
        return low if low == high else f"{low.removesuffix(' %')}–{high}"

    @property
    def seeds(self) -> str:
        """The seeds measured."""
        return numbers(sorted({row.seed for row in self.rows if row.seed is not None})) or "–"

    @property
    def orders(self) -> str:
        """The data orders trained in."""
        return numbers(sorted({row.order_seed for row in self.rows if row.order_seed is not None})) or "–"

    @property
    def last(self) -> list[float]:
        """The headline accuracies."""
        return [row.last for row in self.rows]

    @property
    def best(self) -> list[float]:
        """The test-selected accuracies; empty where nothing was trained."""
        return [row.best for row in self.rows if row.best is not None]


@dataclass(frozen=True)
class Between:
    """One network on the line between two trainings, at `alpha` from the first to the second."""

    alpha: float
    accuracy: float
    loss: float


def line(job: Job) -> list[Between]:
    """What a connect job measured, from the first training to the second."""
    found = [
        Between(row.alpha, row.correct / row.total, row.loss) for row in job.results if row.alpha is not None
    ]
    return sorted(found, key=lambda one: one.alpha)


def measured(job: Job, known: Networks) -> list[Measured]:
    """Every network that an ended job measured, in its own order, but not those between two trainings."""
    pairs = [
        (result, job.runs[result.run] if result.run is not None else None)
        for result in job.results
        if result.alpha is None
    ]
    return combine(pairs, known)


def combine(pairs: Iterable[tuple[Result, Run | None]], known: Networks) -> list[Measured]:
    """One row per training from its `last` and `best` results, one per other result."""
    points: dict[tuple[str, int], dict[str, tuple[Result, Run | None]]] = defaultdict(dict)
    for result, run in pairs:
        place = result.ordinal if run is None else -1 - run.ordinal
        points[result.job_id, place][result.point] = (result, run)
    return [_row(found, known) for found in points.values()]


def _row(found: dict[str, tuple[Result, Run | None]], known: Networks) -> Measured:
    last, run = found.get("last") or next(iter(found.values()))
    best = found["best"][0] if "best" in found else None
    return Measured(
        architecture=run.architecture if run else known.get(last.ticket_id or "", "–"),
        dataset=last.dataset,
        ticket_id=last.ticket_id,
        seed=last.seed,
        order_seed=run.order_seed if run else None,
        level=run.level if run else None,
        sparsity=run.sparsity if run else None,
        last=last.correct / last.total,
        loss=last.loss,
        best=best.correct / best.total if best else None,
        best_epoch=best.epoch if best else None,
        steps=run.steps if run else None,
        seconds=run.seconds if run else None,
        shared=run is not None and run.shared,
    )


def replicates(rows: Iterable[Measured], *, over_orders: bool = False) -> list[Replicates]:
    """Group rows whose mean says something.

    Over seeds: one row per seed, so that two tickets of one seed fall into different groups. Over data orders:
    the orders of one ticket. Trainings of other lengths, and what was measured without one, stand by themselves.
    """
    groups: dict[tuple[object, ...], list[Measured]] = defaultdict(list)
    seen: dict[tuple[object, ...], int] = defaultdict(int)
    for row in rows:
        alike = (row.architecture, row.dataset, row.level, row.steps)
        if over_orders:
            groups[*alike, row.ticket_id, row.seed].append(row)
        else:
            occurrence = seen[*alike, row.seed]
            seen[*alike, row.seed] += 1
            groups[*alike, occurrence].append(row)
    return [Replicates(group) for group in groups.values()]
