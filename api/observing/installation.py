"""What the catalog tells of the whole installation, as Prometheus metrics: any API tells the same of it.

It is read at a scrape, at most once in `KEPT_SECONDS`.
"""

from __future__ import annotations

import logging
import math
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.observing.demand import asked, there
from api.observing.tally import Tally, began
from core.catalog import depth, pools
from core.catalog.artifacts import ArtifactStore
from core.catalog.database import Database
from core.catalog.demand import Demand, demand
from core.catalog.jobs import clock
from core.settings import Settings

log = logging.getLogger(__name__)

KEPT_SECONDS = 5.0
SIZED_SECONDS = 300.0
SIZING = 0.01
"""The store is measured so often at most, and for so much of the time, beside all else: every file is looked at."""
_USED = {
    "memory_bytes": ("elasticket_trainer_memory_bytes", "Resident memory of a trainer's processes"),
    "cores": ("elasticket_trainer_cores", "Processor cores that a trainer keeps busy"),
    "device_memory_bytes": ("elasticket_device_memory_bytes", "Memory in use on a job's GPUs"),
    "device_memory_total_bytes": ("elasticket_device_memory_total_bytes", "Memory of a job's GPUs"),
    "device_busy": ("elasticket_device_busy_ratio", "Share of the time that a job's GPUs compute"),
}


@dataclass(frozen=True)
class _Seen:
    """One look at the catalog."""

    depths: Sequence[depth.Depth]
    oldest_queued: float
    announcements: depth.Announcements
    expired: int
    held: Sequence[depth.Held]
    demand: Sequence[Demand]
    crews: Sequence[pools.Crew]


class Installation(Collector):
    """Collects them; a catalog that is away is told of as `elasticket_database_up 0`, and of itself nothing."""

    def __init__(
        self, registry: CollectorRegistry, database: Database, store: ArtifactStore, settings: Settings
    ) -> None:
        self._database = database.everywhere()
        self._store = store
        self._settings = settings
        self._lock = threading.Lock()
        self._looked = -KEPT_SECONDS
        self._seen: _Seen | None = None
        self._tally = Tally(began(settings.api_processes))
        self._size_due = 0.0
        self._size = 0
        registry.register(self)

    def look(self) -> None:
        """Look at the catalog, unless that was done just now. One thread does; others have what it finds."""
        with self._lock:
            if time.monotonic() - self._looked < KEPT_SECONDS:
                return
            try:
                with self._database.read() as session:
                    self._seen = self._read(session)
            except SQLAlchemyError as error:
                log.warning("the catalog could not be looked at: %s", type(error).__name__)
                self._seen = None
            self._looked = time.monotonic()
            if self._looked >= self._size_due:
                self._size_due = math.inf
                threading.Thread(target=self._measure, name="store size", daemon=True).start()

    def _read(self, session: Session) -> _Seen:
        at = clock(session)
        self._tally.read_on(session, at)
        return _Seen(
            depth.depths(session, at),
            depth.oldest_queued(session, at),
            depth.announcements(session, at),
            depth.expired_leases(session, at),
            depth.held(session, at),
            demand(session),
            pools.crews(session),
        )

    def _measure(self) -> None:
        begun = time.monotonic()
        try:
            self._size = self._store.size()
        except OSError as error:
            log.warning("the artifact store could not be measured: %s", error)
        finally:
            took = time.monotonic() - begun
            self._size_due = time.monotonic() + max(SIZED_SECONDS, took / SIZING)

    def collect(self) -> Iterator[Metric]:
        """The gauges of the last look."""
        seen = self._seen
        yield GaugeMetricFamily(
            "elasticket_database_up",
            "Whether the catalog answered the latest look at it",
            int(seen is not None),
        )
        if seen is None:
            return
        yield from self._tally.families()
        yield GaugeMetricFamily(
            "elasticket_artifacts_bytes", "Size of the artifact store, unfinished jobs included", self._size
        )
        jobs = GaugeMetricFamily("elasticket_jobs", "Jobs that have not ended", labels=("state", "kind"))
        oldest = GaugeMetricFamily(
            "elasticket_jobs_oldest_seconds", "Since when the oldest was asked for", labels=("state", "kind")
        )
        for one in seen.depths:
            jobs.add_metric((one.state, one.kind), one.jobs)
            oldest.add_metric((one.state, one.kind), one.oldest_seconds)
        yield jobs
        yield oldest
        yield from asked(seen.demand)
        yield from there(seen.crews)
        told = {
            "elasticket_queue_oldest_seconds": (
                "Since when the longest queued job waits",
                seen.oldest_queued,
            ),
            "elasticket_outbox_jobs": (
                "Queued jobs of which no worker was told yet",
                seen.announcements.jobs,
            ),
            "elasticket_outbox_oldest_seconds": (
                "For how long the first of them was not",
                seen.announcements.oldest_seconds,
            ),
            "elasticket_leases_expired": ("Leases that ran out and were not ended yet", seen.expired),
            "elasticket_workers_busy": ("Slots of workers that hold a job", len(seen.held)),
        }
        for name, (help_, value) in told.items():
            yield GaugeMetricFamily(name, help_, value)
        yield from _held(seen.held)
        try:
            disk = shutil.disk_usage(self._settings.root)
        except OSError:
            return
        yield GaugeMetricFamily("elasticket_disk_free_bytes", "Free on the disk of the home", disk.free)
        yield GaugeMetricFamily("elasticket_disk_total_bytes", "Size of the disk of the home", disk.total)


def _held(held: Sequence[depth.Held]) -> Iterator[Metric]:
    """What each worker that has a job uses, as it last told."""
    labels = ("worker", "device")
    since = GaugeMetricFamily(
        "elasticket_worker_job_seconds",
        "For how long a worker has been at its job",
        labels=("worker", "kind"),
    )
    used = {key: GaugeMetricFamily(*named, labels=labels) for key, named in _USED.items()}
    for one in held:
        since.add_metric((one.worker, one.kind), one.seconds)
        for key, value in (one.usage or {}).items():
            if key in used:
                used[key].add_metric((one.worker, one.device or ""), float(value))
    yield since
    yield from used.values()
