"""How fast a job's trainings went, and what they cost, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from api.jobs.schemas import Speed
from api.pages.formats import percent, scaled
from api.runs.comparison import name
from core.catalog.tables import Job, Run

PARTS = {"data": "data", "network": "forward and backward", "masks": "masks", "optimizer": "optimizer"}
"""What the time of a step is divided into on a page; each has its colour."""

_PART_OF = {"data": "data", "masks": "masks", "optimizer": "optimizer"}


@dataclass(frozen=True)
class Slice:
    """One part of a step: where it begins and how much it takes, as shares of the step."""

    part: str
    label: str
    start: float
    share: float


@dataclass(frozen=True)
class Timed:
    """One training's row. `step`: the mean seconds of a step; None where none was timed."""

    training: str
    shared: bool
    speed: Speed
    step: float | None
    slices: Sequence[Slice]

    @property
    def split(self) -> str:
        """The parts of a step in words."""
        return ", ".join(piece.label for piece in self.slices)


def timed(job: Job) -> list[Timed]:
    """The job's trainings whose speed was measured, in their order."""
    return [_row(run, Speed.model_validate(run.speed)) for run in job.runs if run.speed is not None]


def _row(run: Run, speed: Speed) -> Timed:
    step = sum(speed.step_seconds.values())
    return Timed(
        training=name(run),
        shared=run.shared,
        speed=speed,
        step=step or None,
        slices=list(_slices(speed.step_seconds, step)) if step else [],
    )


def _slices(seconds: dict[str, float], step: float) -> Iterator[Slice]:
    """Whatever is neither data, masks nor optimizer is the network's, however finely it was measured."""
    sums = dict.fromkeys(PARTS, 0.0)
    for part, spent in seconds.items():
        sums[_PART_OF.get(part, "network")] += spent
    start = 0.0
    for part, spent in sums.items():
        label = f"{PARTS[part]} {scaled(spent, 's')} ({percent(spent / step, 0)})"
        yield Slice(part, label, start, spent / step)
        start += spent / step
