"""How long a training will take, from those that this installation has done; else from operations; else a guess."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload
from threadpoolctl import threadpool_limits

from core.catalog.ledger import entry
from core.catalog.tables import Job, Run
from core.families import architecture
from core.families.operations import training_flops
from core.jobs.datasets import DATASETS
from core.jobs.recipes import steps_per_epoch
from core.jobs.states import State
from core.studies.words import plural
from core.studies.work import Unit

LATEST = 2000
"""Trainings that are looked at, the newest first: what was measured before them counts no longer."""
FEW = 5
"""Of those that are alike, as many count: machines change, and so does the code."""
REACHED = 0.5
"""The share of a large float32 product's rate that a training step is taken to reach (docs/performance.md)."""
_SIDE, _MOST_SECONDS = 512, 0.1


@dataclass(frozen=True)
class Measured:
    """One training's pace: device-seconds and operations per step of one replicate, evaluation included."""

    network: str
    family: str
    dataset: str
    batch: int
    together: int
    device: str
    seconds: float
    flops: float

    @property
    def rate(self) -> float:
        """Operations per device-second."""
        return self.flops / self.seconds


@dataclass(frozen=True)
class Pace:
    """Device-seconds per step, None where nothing tells; `told` says what by, in a sentence."""

    seconds: float | None
    told: str


@dataclass(frozen=True)
class Overhead:
    """What an attempt takes beside its trainings: `seconds` of each, and as many again for every training."""

    seconds: float
    each: float


@dataclass
class Paces:
    """What was measured here. `threads`: those of one trainer, where only this machine's own speed is known."""

    measured: Sequence[Measured]
    overheads: dict[tuple[str, str], Overhead]
    threads: int = 1
    _told: dict[tuple[str, str, int, int], Pace] = field(default_factory=dict)

    @property
    def device(self) -> str | None:
        """What trained last: all paces are of such devices."""
        return self.measured[0].device if self.measured else None

    def of(self, unit: Unit) -> Pace:
        """How fast a unit's steps will be."""
        like = (unit.network, unit.dataset, unit.batch, unit.together)
        if like not in self._told:
            self._told[like] = self._pace(unit)
        return self._told[like]

    def overhead(self, kind: str, dataset: str) -> Overhead | None:
        """What jobs of a kind took beside their trainings; None where none has finished."""
        return self.overheads.get((kind, dataset)) or self.overheads.get((kind, ""))

    def _pace(self, unit: Unit) -> Pace:
        here = f"{unit.network} on {unit.dataset}, batch {unit.batch}"
        alike = [
            one
            for one in self._on_the_device()
            if (one.network, one.dataset, one.batch) == (unit.network, unit.dataset, unit.batch)
        ]
        # Several replicates at once are another computation; better measured so than not at all.
        latest = ([one for one in alike if one.together == unit.together] or alike)[:FEW]
        if latest:
            told = f"{here}: measured here on {self.device}, in {plural(len(latest), 'training')}"
            return Pace(median(one.seconds for one in latest), told)
        facts = DATASETS[unit.dataset]
        network = architecture(unit.network, facts.input, facts.classes)
        operations = training_flops(network)
        if operations is None:
            return Pace(None, f"{here}: not known, for nobody knows its operations")
        flops = operations * facts.train / steps_per_epoch(facts.train, unit.batch)
        rate, by = self._rate(network.family)
        return Pace(flops / rate, f"{here}: {flops / 1e9:.3g} GFLOP a step, at {rate / 1e9:.3g} GFLOP/s {by}")

    def _rate(self, family: str) -> tuple[float, str]:
        known = [one for one in self._on_the_device() if one.flops]
        relatives = [one for one in known if one.family == family]
        if latest := relatives[:FEW]:
            names = ", ".join(dict.fromkeys(one.network for one in latest))
            return median(one.rate for one in latest), f"as measured here on {names}, of its family"
        if latest := known[:FEW]:
            names = ", ".join(dict.fromkeys(one.network for one in latest))
            return median(one.rate for one in latest), f"as measured here on {names}, of another family"
        cores = min(self.threads, os.cpu_count() or 1)
        by = f"guessed: {REACHED:.0%} of what a float32 product reaches on this machine, for nothing was trained here"
        return REACHED * cores * self._product_rate, by

    @cached_property
    def _product_rate(self) -> float:
        return product_rate()

    def _on_the_device(self) -> Sequence[Measured]:
        return [one for one in self.measured if one.device == self.device]


def paces(session: Session, threads: int = 1) -> Paces:
    """What the latest finished jobs measured."""
    return Paces(list(_measured(session)), _overheads(session), threads)


def product_rate() -> float:
    """Operations per second of a float32 product in NumPy on one thread: the best of a tenth of a second."""
    factor = np.ones((_SIDE, _SIDE), np.float32)
    taken = list[float]()
    # Several threads wait for each other in a spin: beside one busy core they are fifty times slower than one.
    with threadpool_limits(1):
        ends = time.perf_counter() + _MOST_SECONDS
        while not taken or time.perf_counter() < ends:
            begun = time.perf_counter()
            factor @ factor
            taken.append(time.perf_counter() - begun)
    return float(2 * _SIDE**3 / min(taken))


def _measured(session: Session) -> Iterable[Measured]:
    columns = (Run.architecture, Run.dataset, Run.steps, Run.speed, Run.fingerprint, Job.spec)
    done = (
        select(*columns)
        .join(Job, Job.id == Run.job_id)
        .where(Job.state == State.SUCCEEDED, Run.shared.is_(False), Run.speed.is_not(None))
        .order_by(Job.finished_at.desc(), Job.id, Run.ordinal)
        .limit(LATEST)
    )
    for network, dataset, steps, speed, fingerprint, spec in session.execute(done):
        seconds, replicates = speed["device_seconds"], speed["replicates"]
        # The first speeds that were measured did not tell of how many images.
        if steps > 0 and seconds > 0 and "recipe" in spec and "images" in speed:
            yield Measured(
                network,
                _family(network, dataset),
                dataset,
                spec["recipe"]["batch"],
                replicates,
                fingerprint["device"],
                seconds / steps,
                speed["training_flops"]["dense"] * speed["images"] / replicates / steps,
            )


def _family(network: str, dataset: str) -> str:
    """The family of a built-in network; of another its name, for it has no relatives that can be asked for."""
    facts = DATASETS[dataset]
    try:
        return architecture(network, facts.input, facts.classes).family
    except ValueError:
        return network


def _overheads(session: Session) -> dict[tuple[str, str], Overhead]:
    """By kind and dataset, and by kind alone (""), of the latest jobs that succeeded at their first attempt."""
    done = (
        select(Job)
        .where(Job.state == State.SUCCEEDED, Job.attempt == 1)
        .order_by(Job.finished_at.desc(), Job.id)
        .limit(LATEST // 10)
        .options(selectinload(Job.attempts), selectinload(Job.runs).defer(Run.history))
    )
    found: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for job in session.scalars(done):
        told = entry(job)
        beside = max(0.0, told.device_seconds - told.training_seconds - _way_there(job))
        count = sum(not run.shared for run in job.runs)
        for dataset in {job.spec.get("dataset") or "", ""}:
            found[job.kind, dataset].append((count, beside))
    return {like: _overhead(several) for like, several in found.items()}


def _way_there(job: Job) -> float:
    """Device-seconds to the rewind point, which is no run: at the pace of the level that follows."""
    firsts = [run for run in job.runs if run.level == 0 and not run.shared and run.speed is not None]
    return sum(run.start_step * float(run.speed["device_seconds"]) / run.steps for run in firsts if run.speed)


def _overhead(jobs: Sequence[tuple[int, float]]) -> Overhead:
    """The straight line through the medians of small and of large jobs; level where they are all of one size."""
    by_count: dict[int, list[float]] = defaultdict(list)
    for count, seconds in jobs:
        by_count[count].append(seconds)
    points = sorted((count, median(seconds)) for count, seconds in by_count.items())
    (few, least), (many, most) = points[0], points[-1]
    each = max(0.0, (most - least) / (many - few)) if many > few else 0.0
    return Overhead(max(0.0, least - each * few), each)
