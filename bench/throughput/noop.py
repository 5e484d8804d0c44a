"""Jobs that do nothing: what a job costs from its commit to its end, beside its work."""

from __future__ import annotations

import random
import time
from statistics import median, quantiles
from typing import Any

import psycopg
from sqlalchemy import func, select

from bench.throughput.stack import Running
from core.catalog import history, jobs
from core.catalog.database import Database
from core.catalog.tables import Attempt, Job
from core.jobs.specs import NoopSpec
from core.jobs.states import TERMINAL, State

WARM_UP = 20
PATIENCE = 3600.0
BUCKETS = 50


def submit(database: Database) -> str:
    """Queue one as a request does: in a transaction of its own, with its outbox row."""
    with database.write("submit") as session:
        return jobs.create(session, NoopSpec(), max_attempts=5).id


def throughput(running: Running, number: int) -> dict[str, Any]:
    """Queue so many one after the other, as fast as that goes, while they are done; until the last has succeeded."""
    warm_up(running)
    with running.database.read() as session:
        since = jobs.clock(session)
    began, before = time.perf_counter(), running.processor_seconds()
    for _ in range(number):
        submit(running.database)
    accepted = time.perf_counter() - began
    until_all_ended(running.database)
    after = running.processor_seconds()
    with running.database.read() as session:
        done = select(Job.finished_at).where(Job.created_at > since, Job.state == State.SUCCEEDED)
        ends = [end for end in session.scalars(done) if end is not None]
        first = session.scalars(select(func.min(Job.created_at)).where(Job.created_at > since)).one()
        broken = list(history.violations(session))
    assert first is not None
    assert len(ends) == number, f"{len(ends)} of {number} succeeded"
    assert not broken, broken[:5]
    seconds = max(ends) - first
    return {
        "jobs": number,
        "seconds": round(seconds, 2),
        "per_second": round(number / seconds, 1),
        "accepted_per_second": round(number / accepted, 1),
        "processor_ms": {name: round(1000 * (after[name] - before[name]) / number, 2) for name in before},
        "course": _course([end - first for end in ends], seconds),
    }


def _course(ends: list[float], seconds: float) -> list[tuple[float, float]]:
    """Jobs a second over time: the middle of each part of the whole, and how many a second ended in it."""
    width = seconds / BUCKETS
    counts = [0] * BUCKETS
    for end in ends:
        counts[min(BUCKETS - 1, int(end / width))] += 1
    return [(round((i + 0.5) * width, 3), round(count / width, 1)) for i, count in enumerate(counts)]


def latency(running: Running, number: int) -> dict[str, Any]:
    """One at a time, on a system that has nothing else to do: milliseconds from its commit to that of its claim.

    By the times at which PostgreSQL committed the two transactions.
    """
    warm_up(running)
    draw = random.Random(0)
    asked = []
    for _ in range(number):
        # Of no period, lest it fall into step with anything that has one.
        time.sleep(draw.uniform(0.05, 0.15))
        asked.append(submit(running.database))
    until_all_ended(running.database)
    taken = sorted(1000 * seconds for seconds in _from_commit_to_claim(running.server, asked))
    return {
        "jobs": number,
        "median_ms": round(median(taken), 2),
        "p95_ms": round(quantiles(taken, n=20)[-1], 2),
        "longest_ms": round(taken[-1], 2),
    }


def _from_commit_to_claim(server: str, asked: list[str]) -> list[float]:
    # An event is never changed: the transaction that made its row is the one that queued the job, or claimed it.
    query = """
        SELECT extract(epoch FROM pg_xact_commit_timestamp(taken.xmin) - pg_xact_commit_timestamp(queued.xmin))::float8
        FROM events AS queued JOIN events AS taken USING (job_id)
        WHERE queued.seq = 1 AND taken.seq = 2 AND job_id = ANY(%s)
    """
    with psycopg.connect(server) as connection:
        return [seconds for (seconds,) in connection.execute(query, (asked,))]


def warm_up(running: Running) -> None:
    """Wait until every slot has imported what it needs and done a job."""
    seen = 0
    while seen < running.settings.slots:
        for _ in range(WARM_UP):
            submit(running.database)
        until_all_ended(running.database)
        with running.database.read() as session:
            seen = session.scalars(select(func.count(Attempt.worker.distinct()))).one()


def until_all_ended(database: Database) -> None:
    """Wait for the end of every job; raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    # Many comparisons of a state with one that ends are one walk along the whole table.
    open_ = [select(Job.id).where(Job.state == state).limit(1) for state in State if state not in TERMINAL]
    while time.monotonic() < deadline:
        with database.read() as session:
            if not any(session.scalar(query) for query in open_):
                return
        time.sleep(0.05)
    raise TimeoutError("not every job has ended")
