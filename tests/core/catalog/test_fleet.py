"""The fleet as jobs and attempts tell of it, beside sums that are worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from core.catalog import attempts, claims, dispatch, jobs
from core.catalog.database import Database
from core.catalog.fleet import DAY, DAYS, HOUR, HOURS, LATE, Fleet, fleet
from core.catalog.tables import Attempt, Event, Job, Outbox
from core.jobs.outcome import Failure, Outcome, RunRecord

Queued = Callable[..., str]


def read(database: Database) -> Fleet:
    with database.read() as session:
        return fleet(session)


def claim(database: Database, job: str, worker: str = "host:1") -> None:
    with database.write() as session:
        assert claims.claim(session, job, worker, 3600) is not None


def trained(device: str, *, shared: bool = False) -> RunRecord:
    told = {"device": device, "threads": 1}
    return RunRecord("mlp_1", "digits", None, 0, 0, None, 0.0, 0, 12, 1.0, [], told, "ef" * 32, shared)


def succeed(database: Database, job: str, *runs: RunRecord) -> None:
    with database.write() as session:
        assert attempts.succeed(session, job, 1, Outcome(runs=list(runs)), [])


def change(database: Database, table: type, job: str, **values: Any) -> None:
    key = table.id if table is Job else table.job_id
    with database.write() as session:
        session.execute(update(table).where(key == job).values(**values))


class TestWorkers:
    def test_one_at_work_tells_its_job_and_its_latest_own_device(
        self, database: Database, queued: Queued
    ) -> None:
        before, copied, now = queued(), queued(), queued()
        claim(database, before)
        succeed(database, before, trained("cuda H100"))
        claim(database, copied)
        succeed(database, copied, trained("cpu elsewhere", shared=True))
        claim(database, now)
        (worker,) = read(database).workers
        assert (worker.name, worker.device, worker.succeeded) == ("host:1", "cuda H100", 2)
        assert [(held.job, held.state, held.silent) for held in worker.holds] == [(now, "running", False)]

    def test_ends_are_told_apart_and_the_working_come_first(self, database: Database, queued: Queued) -> None:
        done, bad, off, lost, going = (queued() for _ in range(5))
        for job in (done, bad, off, lost):
            claim(database, job, "a:1")
        claim(database, going, "z:9")
        succeed(database, done)
        with database.write() as session:
            assert attempts.fail(session, bad, 1, Failure("diverged", "the loss is nan"))
            assert attempts.stopped(session, off, 1) is False
            jobs.cancel(session, off)
            assert attempts.stopped(session, off, 1)
            attempts.lose(session, lost, 1, "failed to answer")
        working, other = read(database).workers
        assert (working.name, other.name, other.holds) == ("z:9", "a:1", ())
        assert (other.succeeded, other.failed, other.cancelled, other.lost) == (1, 1, 1, 1)

    def test_one_whose_lease_ran_out_is_silent(self, database: Database, queued: Queued) -> None:
        job = queued()
        claim(database, job)
        change(database, Job, job, lease_until=1.0)
        found = read(database)
        assert found.workers[0].holds[0].silent
        assert found.dispatch.expired == 1

    def test_one_of_two_days_ago_is_left_out(self, database: Database, queued: Queued) -> None:
        job = queued()
        claim(database, job)
        succeed(database, job)
        assert len(read(database).workers) == 1
        change(database, Attempt, job, ended_at=read(database).at - 2 * DAY)
        assert read(database).workers == ()


class TestQueue:
    def test_states_are_counted_and_the_oldest_queued_is_timed(
        self, database: Database, queued: Queued
    ) -> None:
        assert read(database).queue.oldest_seconds is None
        old, _, taken = queued(), queued(), queued()
        at = read(database).at
        change(database, Job, old, created_at=at - 500)
        change(database, Job, taken, created_at=at - 900)
        claim(database, taken)
        queue = read(database).queue
        assert (queue.queued, queue.waiting, queue.running, queue.cancelling) == (2, 0, 1, 0)
        assert queue.oldest_seconds == pytest.approx(500, abs=10)


class TestDispatch:
    def test_what_nobody_announces_tells_that_the_dispatcher_is_away(
        self, database: Database, queued: Queued
    ) -> None:
        assert not read(database).dispatch.late
        job = queued()
        fresh = read(database).dispatch
        assert (fresh.unannounced, fresh.late, fresh.announced_at) == (1, False, None)
        change(database, Event, job, at=read(database).at - LATE - 1)
        assert read(database).dispatch.late
        with database.write() as session:
            dispatch.announced(session, dispatch.outbox(session))
        told = read(database).dispatch
        assert (told.unannounced, told.oldest_seconds, told.late) == (0, None, False)
        assert told.announced_at == pytest.approx(read(database).at, abs=10)

    def test_a_hint_that_is_repeated_waits_since_then_and_not_since_its_job_was_queued(
        self, database: Database, queued: Queued
    ) -> None:
        job = queued()
        with database.write() as session:
            dispatch.announced(session, dispatch.outbox(session))
        at = read(database).at
        change(database, Event, job, at=at - 900)
        change(database, Job, job, hinted_at=at - LATE / 2)
        with database.write() as session:
            assert dispatch.repeat_lost_hints(session, LATE / 4, {"any"}) == 1
        told = read(database).dispatch
        assert (told.unannounced, told.late) == (1, False)

    def test_a_job_that_was_taken_at_once_was_heard_of(self, database: Database, queued: Queued) -> None:
        claim(database, queued())
        at = read(database).at
        assert read(database).dispatch.announced_at == pytest.approx(at, abs=10)


class TestHours:
    def test_each_job_counts_in_the_hour_in_which_it_ended(self, database: Database, queued: Queued) -> None:
        ages = {queued(): age for age in (0, 0, 1, HOURS - 1, HOURS)}
        first = (int(read(database).at // HOUR) - HOURS + 1) * HOUR
        for job, age in ages.items():
            claim(database, job)
            succeed(database, job)
            change(database, Job, job, finished_at=first + (HOURS - 1 - age) * HOUR + 3599.9)
        unwanted = queued()
        with database.write() as session:
            jobs.cancel(session, unwanted)
        hours = read(database).hours
        assert [hour.start for hour in hours] == [first + i * HOUR for i in range(HOURS)]
        assert [(i, hour.succeeded) for i, hour in enumerate(hours) if hour.succeeded] == [
            (0, 1),
            (HOURS - 2, 1),
            (HOURS - 1, 2),
        ]
        assert sum(hour.cancelled for hour in hours) == 1


class TestDays:
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        spans=st.lists(
            st.tuples(st.floats(-9 * DAY, 0), st.floats(0, 3 * DAY), st.sampled_from([None, 1, 8])),
            max_size=4,
        )
    )
    def test_attempts_are_divided_at_midnight_and_count_for_every_device(
        self, database: Database, queued: Queued, spans: list[tuple[float, float, int | None]]
    ) -> None:
        at = read(database).at
        with database.write() as session:
            session.execute(delete(Attempt))
        expected = [0.0] * DAYS
        first = (int(at // DAY) - DAYS + 1) * DAY
        for ago, lasted, devices in spans:
            job = queued()
            claim(database, job)
            begun, ended = at + ago, min(at + ago + lasted, at)
            change(database, Job, job, spec={"devices": devices} if devices else {}, state="succeeded")
            change(database, Attempt, job, started_at=begun, ended_at=ended)
            for day in range(DAYS):
                start = first + day * DAY
                expected[day] += max(0.0, min(ended, start + DAY) - max(begun, start)) * (devices or 1)
        days = read(database).days
        assert [day.start for day in days] == [first + day * DAY for day in range(DAYS)]
        assert [day.device_seconds for day in days] == pytest.approx(expected, abs=1e-3)

    def test_one_under_way_counts_until_now(self, database: Database, queued: Queued) -> None:
        job = queued()
        claim(database, job)
        change(database, Attempt, job, started_at=read(database).at - 2 * DAY)
        assert sum(day.device_seconds for day in read(database).days) == pytest.approx(2 * DAY, abs=10)


class TestNothing:
    def test_an_empty_installation_has_zeros(self, database: Database) -> None:
        found = read(database)
        assert (found.workers, found.queue.queued) == ((), 0)
        assert (len(found.hours), len(found.days)) == (HOURS, DAYS)
        assert not any(day.device_seconds for day in found.days)
        with database.read() as session:
            assert session.query(Outbox).count() == 0
