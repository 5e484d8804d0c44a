from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, update

from core.catalog import attempts, claims, depth
from core.catalog.database import Database
from core.catalog.tables import Event, Job, Outbox, Project
from core.jobs.states import State

Queued = Callable[..., str]
JOBS = st.lists(
    st.tuples(st.sampled_from(list(State)), st.sampled_from(["train", "find"]), st.integers(0, 99)),
    max_size=30,
)


def put(database: Database, rows: list[tuple[str, str, int]], project: str = "default") -> None:
    made = [
        {
            "id": f"{project}{i:024d}",
            "project": project,
            "kind": kind,
            "state": state,
            "spec": {},
            "max_attempts": 3,
            "created_at": float(created),
        }
        for i, (state, kind, created) in enumerate(rows)
    ]
    with database.everywhere().write() as session:
        session.execute(delete(Event))
        session.execute(delete(Outbox))
        session.execute(delete(Job))
        if made:
            session.execute(insert(Job), made)


class TestDepths:
    @given(JOBS)
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_are_those_of_a_plain_count(self, database: Database, rows: list[tuple[State, str, int]]) -> None:
        put(database, rows)
        with database.everywhere().read() as session:
            found = {
                (one.state, one.kind): (one.jobs, one.oldest_seconds) for one in depth.depths(session, 100.0)
            }
            oldest = depth.oldest_queued(session, 100.0)
        ends = ("succeeded", "failed", "cancelled")
        plain: dict[tuple[str, str], list[int]] = {}
        for state, kind, created in rows:
            if state not in ends:
                plain.setdefault((state, kind), []).append(created)
        assert found == {key: (len(times), 100.0 - min(times)) for key, times in plain.items()}
        queued = [created for state, _, created in rows if state == "queued"]
        assert oldest == (100.0 - min(queued) if queued else 0.0)

    def test_count_no_more_than_they_should(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(depth, "COUNTED", 5)
        put(database, [("queued", "train", i) for i in range(9)])
        with database.read() as session:
            (one,) = depth.depths(session, 100.0)
        assert (one.jobs, one.oldest_seconds) == (5, 100.0)

    def test_the_oldest_is_found_in_every_project(self, database: Database) -> None:
        put(database, [("queued", "train", 60)])
        with database.everywhere().write() as session:
            session.execute(insert(Project), [{"name": "other"}])
            session.execute(update(Job).values(project="other"))
        with database.everywhere().read() as session:
            assert depth.oldest_queued(session, 100.0) == 40.0

    def test_none_reads_a_whole_table(self, database: Database) -> None:
        """What the database says of how it would look for them: only by indices."""
        if database.engine.dialect.name != "sqlite":
            pytest.skip("PostgreSQL scans small tables whatever indices there are")
        asked: list[str] = []
        from sqlalchemy import event

        event.listen(
            database.engine,
            "before_cursor_execute",
            lambda _c, _cursor, statement, values, *_: asked.append((statement, values)),
        )
        with database.everywhere().read() as session:
            depth.depths(session, 100.0)
            depth.oldest_queued(session, 100.0)
            depth.expired_leases(session, 100.0)
            depth.held(session, 100.0)
            depth.announcements(session, 100.0)
        plans = []
        with database.engine.connect() as connection:
            for statement, values in asked[:]:
                if statement.startswith("SELECT"):
                    found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
                    plans += [row.detail for row in found]
        assert len(plans) > 8
        scans = {plan for plan in plans if plan.startswith("SCAN")}
        assert {plan.split()[1] for plan in scans} <= {
            "projects",
            "outbox",
            "anon_1",
            "(subquery-1)",
            "CONSTANT",
        }


class TestHeld:
    def test_tells_what_the_latest_attempt_uses(self, database: Database, queued: Queued) -> None:
        job, waits = queued(), queued()
        with database.write() as session:
            claims.claim(session, job, "host:1", 60)
            report = attempts.Report(device="cuda H100", usage={"memory_bytes": 7})
            attempts.heartbeat(session, job, 1, 60, report)
            attempts.heartbeat(session, job, 1, 60, attempts.Report())
        with database.read() as session:
            (one,) = depth.held(session, 1e12)
        assert (one.worker, one.device, one.usage) == ("host:1", "cuda H100", {"memory_bytes": 7})
        assert waits

    def test_a_lease_that_ran_out_is_counted(self, database: Database, queued: Queued) -> None:
        job = queued()
        with database.write() as session:
            claims.claim(session, job, "w", 60)
        with database.read() as session:
            assert depth.expired_leases(session, 0.0) == 0
            assert depth.expired_leases(session, 1e12) == 1


class TestAnnouncements:
    def test_the_outbox_is_counted_and_its_first_has_an_age(self, database: Database, queued: Queued) -> None:
        with database.read() as session:
            assert depth.announcements(session, 100.0) == depth.Announcements(0, 0.0)
        first = queued()
        queued()
        with database.write() as session:
            session.execute(update(Event).values(at=95.0))
            session.execute(update(Event).where(Event.job_id == first).values(at=90.0))
        with database.read() as session:
            assert depth.announcements(session, 100.0) == depth.Announcements(2, 10.0)

    def test_one_that_is_repeated_is_as_old_as_what_was_told_last(
        self, database: Database, queued: Queued
    ) -> None:
        job = queued()
        with database.write() as session:
            session.execute(update(Event).values(at=90.0))
            session.execute(update(Job).where(Job.id == job).values(hinted_at=97.0))
        with database.read() as session:
            assert depth.announcements(session, 100.0) == depth.Announcements(1, 3.0)
