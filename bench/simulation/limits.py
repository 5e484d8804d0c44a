"""Which limit a fleet would meet first: what it asks in its busiest minute, beside what one of each can give."""

from __future__ import annotations

from typing import Any, NamedTuple

from bench.report import table
from bench.simulation.prices import CALM_SECONDS, Asked, asked
from core.catalog.dispatch import MOST_LOST

CONNECTIONS = 100
"""What PostgreSQL lets in unless it is told otherwise."""
CORES = 16
LOG_BYTES = 100e6
"""A second: what a link of a gigabit carries to a replica or an archive."""
DAY = 86400


class Limit(NamedTuple):
    """What is asked of something, and the most that it gives, in the same unit."""

    of: str
    asked: float
    most: float
    unit: str
    why: str

    @property
    def times(self) -> float:
        """How many such fleets it would do for."""
        return self.most / self.asked


def limits(found: dict[str, Any], measured: dict[str, Any]) -> list[Limit]:
    """The first that would be met first."""
    costs = measured["operations"]["transactions"]
    now, calm = asked(found, costs), asked(found, costs, found["heartbeat_seconds"] / CALM_SECONDS)
    look = max(line["longest look"] or 0 for line in found["by_queue"])
    lost = found["most_slots"] * found["reconcile_seconds"] / MOST_LOST
    all_of_it = [
        Limit(
            "connections to PostgreSQL",
            found["gpus"] + found["hosts"],
            CONNECTIONS,
            "",
            "one for each slot and each host, as each is a process; its default",
        ),
        *_server("", now),
        *_server(f", a heartbeat every {CALM_SECONDS:g} s", calm),
        Limit(
            "the reconciler",
            look / 1000,
            found["reconcile_seconds"],
            "s",
            "its longest look; the time between two",
        ),
        Limit(
            "leases that run out at once",
            lost,
            found["lease_seconds"],
            "s",
            f"until the jobs of a fleet that is lost whole are queued again, {MOST_LOST} a look; a lease",
        ),
    ]
    if "growth" in measured:
        relay = 1000 / measured["growth"][-1]["processor_ms"]["dispatcher"]
        why = "announcements; one core of the one dispatcher that leads, with all else that it does"
        all_of_it.append(Limit("the relay", found["told_per_second"], relay, "a second", why))
    return sorted(all_of_it, key=lambda limit: limit.times)


def _server(how: str, most: Asked) -> list[Limit]:
    log = most.log_bytes / 1e6
    return [
        Limit(f"processors of PostgreSQL{how}", most.cores, CORES, "cores", "supposed: a server of so many"),
        Limit(
            f"its log{how}",
            log,
            LOG_BYTES / 1e6,
            "MB/s",
            "supposed: what a link of 1 Gbit/s carries to a replica",
        ),
    ]


def shown(found: dict[str, Any], measured: dict[str, Any]) -> str:
    """As a table, with what has to be stored."""
    rows = [
        [
            limit.of,
            f"{limit.asked:,.3g} {limit.unit}",
            f"{limit.most:,.4g} {limit.unit}",
            _times(limit),
            limit.why,
        ]
        for limit in limits(found, measured)
    ]
    head = ["limit", "asked in the busiest minute", "at most", "fleets like this one", "what that is"]
    return table(head, rows) + "\n\n" + _stored(found, measured)


def _amount(number: float, unit: str) -> str:
    return f"{number:,.0f} {unit}" if number >= 100 else f"{number:.2g} {unit}"


def _times(limit: Limit) -> str:
    return f"**{limit.times:,.2g}**" if limit.times < 10 else f"**{limit.times:,.0f}**"


def _stored(found: dict[str, Any], measured: dict[str, Any]) -> str:
    costs = measured["operations"]["transactions"]
    bytes_of_job = sum(measured["operations"]["bytes_per_job"].values())
    daily = found["jobs"] * DAY / (3600 * found["hours"])
    logged = [
        asked(found, costs, calm, "mean").log_bytes * DAY / 1e9
        for calm in (1, found["heartbeat_seconds"] / CALM_SECONDS)
    ]
    return (
        f"A job's rows and their indices take {bytes_of_job / 1000:.1f} kB in PostgreSQL as measured (here, in SQLite,"
        f" {found['stored_bytes'] / found['jobs'] / 1000:.1f} kB): at this rate {daily * bytes_of_job / 1e9:.2f} GB a"
        f" day, {365 * daily * bytes_of_job / 1e9:,.0f} GB a year where nothing ages out. The log that is written"
        f" meanwhile is {logged[0]:,.0f} GB a day, {logged[1]:,.0f} GB with a heartbeat every {CALM_SECONDS:g} s."
    )
