"""What a fleet is scaled by, as metrics: what is asked of workers, by need, and who is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from core.catalog.demand import Demand
from core.catalog.pools import Crew

_NEED = ("need", "queue")


def asked(demand: Sequence[Demand]) -> Iterator[Metric]:
    """By need: jobs and the devices they take, since when the oldest waits, and how many workers could do one."""
    jobs = GaugeMetricFamily(
        "elasticket_demand_jobs", "Jobs that wait or run, by need", labels=(*_NEED, "state")
    )
    devices = GaugeMetricFamily("elasticket_demand_devices", "Devices they take", labels=(*_NEED, "state"))
    oldest = GaugeMetricFamily(
        "elasticket_demand_oldest_seconds", "Since when the oldest queued one was asked for", labels=_NEED
    )
    workers = GaugeMetricFamily(
        "elasticket_demand_workers", "Workers that take jobs and have room for one when idle", labels=_NEED
    )
    for one in demand:
        need = (one.need, one.queue)
        for state, count in (("queued", one.queued), ("running", one.running)):
            jobs.add_metric((*need, state), count)
            devices.add_metric((*need, state), count * one.devices)
        oldest.add_metric(need, one.oldest_seconds or 0.0)
        workers.add_metric(need, one.workers)
    yield from (jobs, devices, oldest, workers)


def there(crews: Sequence[Crew]) -> Iterator[Metric]:
    """Workers and their slots, those that take jobs and those that are drained: 0 where there are none."""
    workers = GaugeMetricFamily("elasticket_workers", "Workers that are there", labels=("drained",))
    slots = GaugeMetricFamily("elasticket_slots", "Their slots", labels=("drained",))
    found = {crew.drained: crew for crew in crews}
    for drained, label in ((False, "false"), (True, "true")):
        crew = found.get(drained, Crew(drained, 0, 0))
        workers.add_metric((label,), crew.workers)
        slots.add_metric((label,), crew.slots)
    yield from (workers, slots)
