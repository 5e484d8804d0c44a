"""How long a claim takes, with queues of many lengths: `python -m bench.placement [DATABASE_URL]`.

The queue is of several projects, needs and priorities; each claim is a transaction of its own, and every other one ends
its job, so that the worker has room again. Without a URL it is SQLite in a directory of its own.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import uuid
from typing import Any

from sqlalchemy import delete, insert, text

from core.catalog import attempts, demand, keys, placement, pools, preemption
from core.catalog.database import Database
from core.catalog.migrate import upgrade
from core.catalog.tables import Attempt, Event, Job
from core.jobs.outcome import Failure
from core.jobs.placement import Offer
from core.jobs.specs import TrainSpec

OFFER = Offer(slots=8, memory=65_536, gpus=8, gpu_memory=81_920)
NEEDS = ("any", "cpu", "gpu", "gpu+2048m", "gpus-4", "gpus-64")
CLAIMS, BATCH = 300, 5000


def fill(database: Database, queued: int, projects: int) -> None:
    """So many queued jobs, and the thousand running ones of a large fleet."""
    spec = TrainSpec(architecture="mlp_1", dataset="digits").complete("mlp").model_dump(mode="json")
    with database.write() as session:
        for table in (Attempt, Event, Job):
            session.execute(delete(table))
        for number in range(projects):
            keys.ensure_project(session, f"p{number}")
    rows: list[dict[str, Any]] = []
    for number in range(queued + 1000):
        running = number >= queued
        rows.append(
            {
                "id": uuid.uuid4().hex,
                "project": f"p{number % projects}",
                "kind": "train",
                "state": "running" if running else "queued",
                "spec": spec,
                "priority": number % 7,
                "need": NEEDS[number % len(NEEDS)],
                "attempt": int(running),
                "max_attempts": 5,
                "lease_until": 4e9 if running else None,
                "started_at": 0.0 if running else None,
                "pool": f"elsewhere:{number % 250}" if running else None,
                "gpus": [] if running else None,
            }
        )
    for start in range(0, len(rows), BATCH):
        with database.write() as session:
            session.execute(insert(Job), rows[start : start + BATCH])
    with database.write() as session:
        session.execute(text("ANALYZE"))


def seconds_of_claims(database: Database) -> list[float]:
    """Seconds of each claim."""
    taken: list[float] = []
    for _ in range(CLAIMS):
        begun = time.perf_counter()
        with database.write() as session:
            job = placement.take(session, "here:1", OFFER, "here:2", 60)
        taken.append(time.perf_counter() - begun)
        assert job is not None
        with database.write() as session:
            attempts.fail(session, job.id, job.attempt, Failure("error", "of no interest"))
    return taken


def milliseconds(database: Database, work: Any) -> float:
    """The median of five."""
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        with database.write() as session:
            work(session)
        taken.append(time.perf_counter() - begun)
    return 1000 * statistics.median(taken)


def main() -> None:
    """Print a row for each length of the queue and number of projects."""
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{folder}/bench.db"
        upgrade(url)
        database = Database(url).everywhere()
        print("| queued | projects | claim, median ms | 99 % ms | signals ms | make room ms |")
        print("|--:|--:|--:|--:|--:|--:|")
        for queued in (1000, 10_000, 100_000):
            for projects in (1, 10, 100):
                fill(database, queued, projects)
                with database.write() as session:
                    for number in range(250):
                        pools.enrol(session, f"elsewhere:{number}", OFFER)
                taken = sorted(seconds_of_claims(database))
                print(
                    f"| {queued:,} | {projects} | {1000 * statistics.median(taken):.2f}"
                    f" | {1000 * taken[int(0.99 * len(taken))]:.2f}"
                    f" | {milliseconds(database, demand.demand):.1f}"
                    f" | {milliseconds(database, lambda session: preemption.make_room(session, 2, 60)):.1f} |",
                    flush=True,
                )
        database.close()


if __name__ == "__main__":
    main()
