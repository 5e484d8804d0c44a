from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Histogram
from sqlalchemy import insert

from api.observing import tally
from api.observing.tally import Tally
from core.catalog.database import Database
from core.catalog.tables import Attempt, Job

Ended = tuple[str, str, float, float]
"""A kind, the reason of an attempt's end, its seconds, and those that it was waited for."""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def over(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Ended]], None]:
    """Enters jobs whose first attempts ended, one after the other, to be read in pieces of three."""
    for place in ("api.observing.tally", "core.catalog.ended"):
        monkeypatch.setattr(f"{place}.PIECE", 3)

    def enter(found: list[Ended]) -> None:
        told = {"project": "default", "state": "succeeded", "spec": {}, "max_attempts": 3}
        jobs, attempts = [], []
        for i, (kind, reason, seconds, waited) in enumerate(found):
            started = 1e6 + i
            jobs.append({"id": f"{i:032d}", "kind": kind, "created_at": started - waited} | told)
            times = {"started_at": started, "ended_at": started + seconds}
            attempts.append({"job_id": f"{i:032d}", "attempt": 1, "worker": "w", "outcome": reason} | times)
        with database.everywhere().write() as session:
            session.execute(insert(Job), jobs)
            session.execute(insert(Attempt), attempts)

    return enter


def told(families: Any) -> Iterator[tuple[Any, ...]]:
    for family in families:
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield sample.name, tuple(sorted(sample.labels.items())), sample.value


def read_on(tally_: Tally, database: Database) -> None:
    with database.everywhere().read() as session:
        tally_.read_on(session, 1e12)


class TestTally:
    def test_tells_the_same_as_the_librarys_histograms(
        self, database: Database, over: Callable[[list[Ended]], None]
    ) -> None:
        random.seed(2)
        reasons = {"succeeded": "succeeded", "failed: nan": "failed", "worker w went silent": "silent"}
        # Sums of powers of two, which no order of adding rounds; 1 and 0.5 are bounds of buckets.
        seconds = [0.0, 0.25, 0.5, 1.0, 2.5, 64.0, 4096.0, 2.0**20]
        found = [
            (
                random.choice(["find", "train"]),
                random.choice(list(reasons)),
                random.choice(seconds),
                random.choice(seconds),
            )
            for _ in range(40)
        ]
        over(found)
        registry = CollectorRegistry()
        attempts = Histogram(
            "elasticket_attempt_duration_seconds",
            "x",
            ("kind", "outcome"),
            registry=registry,
            buckets=tally._SECONDS,
        )
        waits = Histogram(
            "elasticket_job_wait_seconds", "x", ("kind",), registry=registry, buckets=tally._WAITED
        )
        for kind, reason, spent, waited in found:
            attempts.labels(kind, reasons[reason]).observe(spent)
            waits.labels(kind).observe(waited)
        read = Tally(0.0)
        read_on(read, database)
        read_on(read, database)
        lost = sum(reason.endswith("silent") for _, reason, _, _ in found)
        library = set(told(registry.collect()))
        assert set(told(read.families())) == library | {("elasticket_leases_lost_total", (), lost)}

    def test_tells_nothing_before_it_has_caught_up(
        self, database: Database, over: Callable[[list[Ended]], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tally, "PIECES", 2)
        over([("find", "succeeded", 1.0, 1.0)] * 7)
        read = Tally(0.0)
        read_on(read, database)
        assert list(read.families()) == []
        read_on(read, database)
        counts = {
            value for name, _, value in told(read.families()) if name.endswith("duration_seconds_count")
        }
        assert counts == {7}

    def test_what_ended_before_the_start_is_not_counted(
        self, database: Database, over: Callable[[list[Ended]], None]
    ) -> None:
        over([("find", "succeeded", 0.5, 1.0)] * 4)
        read = Tally(1e6 + 2.25)
        read_on(read, database)
        counts = {
            value for name, _, value in told(read.families()) if name.endswith("duration_seconds_count")
        }
        assert counts == {2}
