"""What a day asks of a fleet: who asks for how many jobs, when, how urgent, wide and long they are. All of it drawn."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

DAY = 86400.0
WAVE = 0.6
"""Of a day's mean rate: as much more is asked for at noon, and as much less at midnight."""
Choice = tuple[tuple[int, float], ...]
PRIORITIES: Choice = ((0, 0.8), (10, 0.1), (-10, 0.1))
WIDTHS: Choice = ((1, 0.85), (2, 0.08), (4, 0.05), (8, 0.02))
ALONE: Choice = ((1, 1.0),)
MEDIAN_SECONDS, SIGMA = 150.0, 1.2
"""Of the log-normal of how long a job computes: the mean is twice the median."""


@dataclass(frozen=True)
class Request:
    """What a project asks for at once, such as a study's next jobs: for how long each computes, on `gpus` each."""

    at: float
    project: str
    priority: int
    gpus: int
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Workload:
    """So many jobs of so many projects, at a rate that would keep so many GPUs busy for `load` of the time.

    The n-th project asks for 1/n as much as the first; a request has `batch` jobs on average.
    """

    jobs: int
    gpus: int
    projects: int = 8
    load: float = 0.75
    batch: float = 40.0
    widths: Choice = WIDTHS
    seed: int = 0

    @property
    def names(self) -> list[str]:
        """Of the projects, who asks for most first."""
        return [f"project-{number}" for number in range(1, self.projects + 1)]

    def requests(self) -> Iterator[Request]:
        """In the order in which they come."""
        draw = random.Random(self.seed)
        shares = [1 / (number + 1) for number in range(self.projects)]
        each = MEDIAN_SECONDS * math.exp(SIGMA**2 / 2) * sum(width * share for width, share in self.widths)
        per_second = self.load * self.gpus / each / self.batch
        at, left = 0.0, self.jobs
        while left:
            at += draw.expovariate(per_second * (1 + WAVE))
            # Thinning: candidates come at the highest rate, and are kept as often as the hour's is that of it.
            if draw.random() * (1 + WAVE) > 1 - WAVE * math.cos(2 * math.pi * at / DAY):
                continue
            size = min(left, 1 + int(draw.expovariate(1 / (self.batch - 0.5))))
            (project,) = draw.choices(self.names, shares)
            priority, gpus = _one(draw, PRIORITIES), _one(draw, self.widths)
            seconds = (draw.lognormvariate(math.log(MEDIAN_SECONDS), SIGMA) for _ in range(size))
            yield Request(at, project, priority, gpus, tuple(seconds))
            left -= size


def _one(draw: random.Random, choices: Choice) -> int:
    values, shares = zip(*choices, strict=True)
    return int(draw.choices(values, shares)[0])
