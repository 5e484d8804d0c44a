"""What is counted of requests: in this process, or where several answer at one port, in files that all of them read.

Several processes find the folder of those files in PROMETHEUS_MULTIPROC_DIR, which the library itself looks for when it
is imported. Whichever is asked then tells the sum of all.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_LIVE = re.compile(r"gauge_livesum_(\d+)\.db")


class Figures:
    """Counted by route template, so that no client makes series."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self.seconds = Histogram(
            "elasticket_http_request_duration_seconds",
            "From a request's headers to the first byte of its answer",
            ("method", "route", "status"),
            registry=registry,
            buckets=_SECONDS,
        )
        self.under_way = Gauge(
            "elasticket_http_requests_in_progress",
            "Requests whose answer has not ended",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.streams = Gauge(
            "elasticket_http_event_streams",
            "Event streams that are open",
            registry=registry,
            multiprocess_mode="livesum",
        )


def shared_folder() -> Path | None:
    """Where the processes that answer at one port keep their figures; None for one alone."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) if folder else None


def counted() -> tuple[CollectorRegistry, Figures]:
    """A registry, and figures that it tells: of this process, or of all that share the folder."""
    registry = CollectorRegistry()
    if shared_folder() is None:
        ProcessCollector(registry=registry)
        return registry, Figures(registry)
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry, Figures(None)


def forget_the_dead() -> None:
    """What a process had under way that was killed is under way no longer."""
    folder = shared_folder()
    for path in folder.glob("gauge_livesum_*.db") if folder else ():
        found = _LIVE.fullmatch(path.name)
        if found and not psutil.pid_exists(int(found[1])):
            mark_process_dead(int(found[1]))  # type: ignore[no-untyped-call]
