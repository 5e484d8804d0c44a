"""What a worker is given, beside a model that reads the whole queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, insert, select, text
from sqlalchemy.orm import Session

from core.catalog import attempts, keys, placement, pools
from core.catalog.database import Database
from core.catalog.placement import Choice
from core.catalog.tables import Attempt, Event, Job, Outbox, Pool
from core.jobs.identity import SPEC_VERSION
from core.jobs.outcome import Failure
from core.jobs.placement import Held, Need, Offer, place

PROJECTS = ("a", "b", "c")
GPU = Offer(slots=4, memory=4096, gpus=2, gpu_memory=1024)
CPU = Offer(slots=2, memory=1024, takes=frozenset({"any", "cpu"}))

queues = st.lists(
    st.fixed_dictionaries(
        {
            "project": st.sampled_from(PROJECTS),
            "need": st.sampled_from(["any", "cpu", "gpu", "gpus-2", "gpu+512m", "gpus-8"]),
            "priority": st.integers(-1, 1),
            "created_at": st.integers(0, 5).map(float),
            "state": st.sampled_from(["queued"] * 6 + ["waiting", "succeeded"]),
            "spec_version": st.sampled_from([SPEC_VERSION] * 6 + [SPEC_VERSION - 1, SPEC_VERSION + 1]),
        }
    ),
    max_size=25,
)


@pytest.fixture
def projects(database: Database) -> None:
    with database.everywhere().write() as session:
        for name in PROJECTS:
            keys.ensure_project(session, name)


def fill(session: Session, rows: list[dict[str, Any]]) -> None:
    for table in (Attempt, Event, Outbox, Job, Pool):
        session.execute(delete(table))
    common = {"kind": "train", "spec": {}, "attempt": 0, "max_attempts": 3}
    if rows:
        session.execute(insert(Job), [common | row | {"id": f"{i:032x}"} for i, row in enumerate(rows)])


def expected(session: Session, pool: str, offer: Offer) -> Choice | None:
    """The rule, by reading everything."""
    jobs = session.scalars(select(Job)).all()
    held = [Held(Need.parse(job.need), tuple(job.gpus or ())) for job in jobs if job.pool == pool]
    usage: Counter[str] = Counter()
    for job in jobs:
        if job.state == "running":
            usage[job.project] += Need.parse(job.need).devices
    best = min(
        (
            (-job.priority, usage[job.project], job.created_at, job.id, gpus)
            for job in jobs
            if job.state == "queued"
            and job.spec_version <= SPEC_VERSION
            and (gpus := place(offer, held, Need.parse(job.need))) is not None
        ),
        default=None,
    )
    return None if best is None else Choice(best[3], best[4])


def took(session: Session, worker: str, offer: Offer) -> Choice | None:
    job = placement.take(session, worker, offer, f"{worker}/0", 60)
    return job and Choice(job.id, tuple(job.gpus or ()))


class TestTake:
    @pytest.mark.usefixtures("projects")
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(rows=queues, workers=st.lists(st.sampled_from(["gpu-1", "gpu-2", "cpu-1"]), max_size=10))
    def test_is_what_the_rule_says_until_nothing_fits(
        self, database: Database, rows: list[dict[str, Any]], workers: list[str]
    ) -> None:
        everywhere = database.everywhere()
        with everywhere.write() as session:
            fill(session, rows)
        for worker in workers:
            offer = GPU if worker.startswith("gpu") else CPU
            with everywhere.write() as session:
                choice = expected(session, worker, offer)
                assert next(placement.choices(session, worker, offer), None) == choice
                assert took(session, worker, offer) == choice

    def test_a_drained_worker_is_given_nothing_until_that_ends(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job = queued()
        with database.everywhere().write() as session:
            pools.enrol(session, "w", GPU)
            pools.drain(session, "w")
            assert took(session, "w", GPU) is None
            pools.drain(session, "w", drained=False)
            assert took(session, "w", GPU) == Choice(job, (0,))

    @pytest.mark.usefixtures("projects")
    def test_a_worker_kept_for_a_job_takes_that_or_what_is_more_urgent(self, database: Database) -> None:
        wants = {"project": "a", "state": "queued", "created_at": 0.0}
        rows = [
            wants | {"need": "gpu", "priority": 5, "project": "b"},
            wants | {"need": "gpus-2", "priority": 5},
            wants | {"need": "gpu", "priority": 6},
        ]
        with database.everywhere().write() as session:
            fill(session, rows)
            pools.enrol(session, "w", GPU)
            session.get_one(Pool, "w").kept_for = f"{1:032x}"
            session.flush()
            busy = took(session, "w", Offer(1, gpus=1, gpu_memory=1024))
            assert busy == Choice(f"{2:032x}", (0,))
            assert took(session, "w", Offer(2, gpus=2, gpu_memory=1024)) is None
            assert attempts.fail(session, busy.job, 1, Failure("diverged", "…"))
            assert took(session, "w", GPU) == Choice(f"{1:032x}", (0, 1))

    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    def test_a_worker_takes_the_next_where_another_just_takes_the_first(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        first, second = queued(), queued()
        everywhere = database.everywhere()
        with everywhere.write() as one, everywhere.write() as other:
            assert took(one, "w", CPU) == Choice(first, ())
            assert took(other, "v", CPU) == Choice(second, ())


@contextmanager
def noted(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """The reading statements that are asked meanwhile, with what they are given."""
    asked: list[tuple[str, Any]] = []

    def note(*about: Any) -> None:
        if about[2].strip().startswith(("SELECT", "WITH")):
            asked.append((about[2], about[3]))

    event.listen(database.engine, "before_cursor_execute", note)
    yield asked
    event.remove(database.engine, "before_cursor_execute", note)


def plan(session: Session, query: str, given_: Any) -> str:
    sqlite = session.get_bind().dialect.name == "sqlite"
    explain = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
    return " ".join(map(str, session.connection().exec_driver_sql(explain + query, given_)))


class TestPlan:
    """With a queue of 100,000 a claim must not read it."""

    @pytest.mark.usefixtures("projects")
    def test_every_step_is_a_descent_of_the_index(self, database: Database) -> None:
        rows = [
            {
                "project": PROJECTS[i % 3],
                "need": ("any", "gpu")[i % 2],
                "priority": i % 5,
                "created_at": float(i),
                "state": "queued" if i % 4 else "succeeded",
                "spec_version": SPEC_VERSION + (i % 7 == 0),
            }
            for i in range(3000)
        ]
        with database.everywhere().write() as session:
            fill(session, rows)
            sqlite = session.get_bind().dialect.name == "sqlite"
            session.execute(text("ANALYZE" if sqlite else "ANALYZE jobs"))
            assert len(placement.heads(session)) == 6
            with noted(database) as reads:
                assert took(session, "w", GPU) is not None
            assert len(reads) >= 4
            for query, given_ in reads:
                found = plan(session, query, given_)
                sorts = [] if "GROUP BY" in query else ["TEMP B-TREE", "Sort"]
                assert [w for w in ("Seq Scan on jobs", "SCAN jobs", *sorts) if w in found] == [], query

    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    @pytest.mark.usefixtures("projects")
    def test_what_has_ended_is_not_walked_past_where_most_is_queued(self, database: Database) -> None:
        rows = [
            {
                "project": "a",
                "need": "any",
                "priority": 0,
                "created_at": float(i),
                "state": "succeeded" if i < 600 else "queued",
                "spec_version": SPEC_VERSION,
            }
            for i in range(3000)
        ]
        everywhere = database.everywhere()
        with everywhere.write() as session:
            fill(session, rows)
            session.execute(text("ANALYZE jobs"))
        with everywhere.write() as one, everywhere.write() as other:
            assert took(one, "w", CPU) == Choice(f"{600:032x}", ())
            with noted(database) as reads:
                assert took(other, "v", CPU) == Choice(f"{601:032x}", ())
            for query, given_ in reads:
                assert "ix_jobs_project" not in plan(other, query, given_), query
