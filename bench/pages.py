"""How long the server takes for the first screen of the list of jobs: python -m bench.pages [JOBS]

A catalog on SQLite with so many jobs, one in ten of them queued. Prints the median of the seconds that each view of
the list takes inside the application, how SQLite finds the next job of the queue, and how long a browser takes to
bring the open list up to date when a job comes in. A task above 50 ms is one that a reader feels (W3C Long Tasks).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text

from api.app import create_app
from bench.smoothness import updates
from core.catalog import jobs, search
from core.catalog.database import Database
from core.catalog.migrate import upgrade
from core.catalog.tables import Job
from core.jobs.specs import FindSpec
from core.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

JOBS, REPEATS = 10_000, 15
VIEWS = {
    "the first screen": "/",
    "words that many jobs are about": "/?q=mlp_2+digits",
    "words that no job is about": "/?q=nothing",
    "a dataset that no job is on": "/?dataset=mnist",
    "those that failed, oldest first": "/?state=failed&order=oldest",
    "the queue by time": "/?state=queued",
}
_NEXT = (
    "EXPLAIN QUERY PLAN SELECT id FROM jobs WHERE state = 'queued'"
    " ORDER BY priority DESC, created_at, id LIMIT 1"
)


def fill(database: Database, number: int, *, queued: bool = True) -> None:
    """Enter jobs as finds leave them, a second apart; one in ten is queued, if asked."""
    spec = FindSpec(architecture="mlp_2", dataset="digits", seeds=[0, 1, 2]).complete("mlp")
    states = ["succeeded"] * 7 + ["failed", "cancelled", "queued" if queued else "cancelled"]
    began = time.time() - number
    with database.write() as session:
        about = search.about(session, spec)
        common: dict[str, Any] = {
            "project": "default",
            "kind": "find",
            "spec": spec.model_dump(mode="json"),
            "about": about,
        }
        common |= {"max_attempts": 5}
        for first in range(0, number, 1000):
            rows = [
                common
                | {
                    "id": f"{i * 2654435761 % 2**32:08x}{i:024x}",
                    "state": states[i % 10],
                    "attempt": int(states[i % 10] != "queued"),
                    "priority": i % 50 // 10,
                    "created_at": began + i,
                    "started_at": None if states[i % 10] == "queued" else began + i + 1,
                    "finished_at": None if states[i % 10] == "queued" else began + i + 9,
                }
                for i in range(first, min(first + 1000, number))
            ]
            session.execute(insert(Job), rows)


def main() -> None:
    """Fill a catalog and time every view of its list."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else JOBS
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), hosts="testserver")
        upgrade(settings.database)
        database = Database(settings.database)
        fill(database, number)
        with database.read() as session:
            print(f"{number:,} jobs; the next of the queue: {session.execute(text(_NEXT)).one()[-1]}")
        with TestClient(create_app(settings)) as client:
            for name, path in VIEWS.items():
                print(f"{_median(client, path) * 1000:8.1f} ms  {name}")
        if followed := updates(settings, "/", lambda: _queue(database), REPEATS):
            print(f"{followed.median:8.1f} ms  a live update in the browser, from answer to page")
            print(f"{followed.slowest:8.1f} ms  the slowest of {REPEATS}")
            print(f"{followed.longest_task:8.1f} ms  the longest task above 50 ms; 0: none")
        database.close()


def _queue(database: Database) -> None:
    """One job more."""
    spec = FindSpec(architecture="mlp_2", dataset="digits", seeds=[0, 1, 2]).complete("mlp")
    with database.write() as session:
        jobs.create(session, spec, 5)


def _median(client: TestClient, path: str) -> float:
    taken = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        client.get(path, headers={"Accept": "text/html"}).raise_for_status()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


if __name__ == "__main__":
    main()
