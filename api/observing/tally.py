"""Histograms and counters of the attempts that ended since the API was started, read on from the catalog.

All processes of an API tell the same: they begin at the same time, and one that has not caught up tells nothing.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

import psutil
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString
from sqlalchemy.orm import Session

from core.catalog.ended import PIECE, Place, ended_after

PIECES = 20
"""Pieces that are read at one look: who has slept for long catches up over several."""
_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
_WAITED = (0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 21_600.0)


class _Histogram:
    """Counts by labels and bucket; a bucket holds what is at most its bound."""

    def __init__(self, name: str, told: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._about = name, told
        self._labels = labels
        self._bounds = (*bounds, float("inf"))
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}

    def observe(self, labels: tuple[str, ...], value: float) -> None:
        counts = self._counts.setdefault(labels, [0] * len(self._bounds))
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] = self._sums.get(labels, 0.0) + value

    def family(self) -> Metric:
        family = HistogramMetricFamily(*self._about, labels=self._labels)
        names = [floatToGoString(bound) for bound in self._bounds]  # type: ignore[no-untyped-call]
        for labels, counts in self._counts.items():
            family.add_metric(labels, list(zip(names, accumulate(counts), strict=True)), self._sums[labels])
        return family


class Tally:
    """What ended since `began`, in seconds since 1970."""

    def __init__(self, began: float) -> None:
        self._place = Place(began)
        self._caught_up = False
        self._lost = 0
        self._attempts = _Histogram(
            "elasticket_attempt_duration_seconds",
            "Attempts that ended; of other outcomes than succeeded, failed and cancelled the job goes on",
            ("kind", "outcome"),
            _SECONDS,
        )
        self._waits = _Histogram(
            "elasticket_job_wait_seconds",
            "From a job's creation to its first attempt, told when that has ended",
            ("kind",),
            _WAITED,
        )

    def read_on(self, session: Session, at: float) -> None:
        """Count what ended since the last time."""
        for _ in range(PIECES):
            found, self._place = ended_after(session, self._place, at)
            for one in found:
                self._attempts.observe((one.kind, one.outcome), one.seconds)
                if one.waited is not None:
                    self._waits.observe((one.kind,), one.waited)
                self._lost += one.outcome == "silent"
            self._caught_up = len(found) < PIECE
            if self._caught_up:
                return

    def families(self) -> Iterator[Metric]:
        """The counts so far."""
        if self._caught_up:
            yield self._attempts.family()
            yield self._waits.family()
            yield CounterMetricFamily(
                "elasticket_leases_lost", "Attempts that ended because their worker fell silent", self._lost
            )


def began(processes: int) -> float:
    """When this API was started: one of several processes is as old as the one that started them all."""
    return psutil.Process(os.getppid()).create_time() if processes > 1 else time.time()
