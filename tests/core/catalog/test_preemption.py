"""Room for jobs that find none, on workers that are declared."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import update

from core.catalog import attempts, placement, pools, preemption
from core.catalog.database import Database
from core.catalog.placement import Choice
from core.catalog.tables import Job, Pool
from core.jobs.identity import SPEC_VERSION
from core.jobs.placement import Offer
from core.jobs.preemption import MARGIN, MOST
from tests.core.catalog.faked_clock import Clock

GPUS = Offer(slots=4, gpus=4, gpu_memory=1024)
ONE = Offer(slots=1)
WAITED, PATIENCE = 2.0, 60.0


class Hall:
    """Workers and their jobs, by the minute."""

    def __init__(self, database: Database, queued: Callable[..., str]) -> None:
        self.database = database.everywhere()
        self.clock = Clock(database)
        self._queued = queued
        self.offers: dict[str, Offer] = {}

    def worker(self, name: str, offer: Offer) -> None:
        self.offers[name] = offer
        with self.database.write() as session:
            pools.enrol(session, name, offer)

    def queue(self, priority: int = 0, need: str = "any", kind: str = "train") -> str:
        """A job of which workers were told just now."""
        self.clock.set(self.clock.now + 0.01)
        job = self._queued()
        values = {"priority": priority, "need": need, "kind": kind, "hinted_at": self.clock.now}
        values["created_at"] = self.clock.now
        with self.database.write() as session:
            session.execute(update(Job).where(Job.id == job).values(**values))
        return job

    def claims(self, worker: str) -> str | None:
        self.clock.set(self.clock.now + 0.01)
        with self.database.write() as session:
            job = placement.take(session, worker, self.offers[worker], f"{worker}/0", 60)
            return job.id if job else None

    def passes(self, seconds: float) -> None:
        self.clock.set(self.clock.now + seconds)
        for name, offer in self.offers.items():
            self.worker(name, offer)

    def asked(self) -> list[str]:
        with self.database.write() as session:
            return preemption.make_room(session, WAITED, PATIENCE)

    def gives_way(self, job: str) -> None:
        with self.database.write() as session:
            row = session.get_one(Job, job)
            assert row.gives_way is not None
            attempts.give_back(session, job, row.attempt, row.gives_way)

    def job(self, job: str) -> Job:
        with self.database.read() as session:
            return session.get_one(Job, job)

    def kept_for(self, worker: str) -> str | None:
        with self.database.read() as session:
            return session.get_one(Pool, worker).kept_for


@pytest.fixture
def hall(database: Database, queued: Callable[..., str]) -> Hall:
    return Hall(database, queued)


class TestMakeRoom:
    def test_the_lowest_gives_way_once_and_resumes_when_there_is_room(self, hall: Hall) -> None:
        for name in ("a", "b"):
            hall.worker(name, ONE)
        low, lower = hall.queue(-1), hall.queue(-5)
        assert (hall.claims("a"), hall.claims("b")) == (low, lower)
        hall.passes(PATIENCE)
        urgent = hall.queue(50)
        assert hall.asked() == []
        hall.passes(WAITED + 1)
        assert hall.asked() == [lower]
        assert hall.asked() == []
        hall.gives_way(lower)
        assert hall.claims("b") == urgent
        assert hall.claims("b") is None
        gone = hall.job(lower)
        assert (gone.state, gone.gave_way, gone.max_attempts) == ("queued", 1, 4)
        with hall.database.write() as session:
            attempts.give_back(session, urgent, 1)
            session.execute(update(Job).where(Job.id == urgent).values(state="cancelled"))
        assert hall.claims("b") == lower

    def test_nobody_is_asked_where_there_is_room_or_too_little_difference(self, hall: Hall) -> None:
        hall.worker("a", ONE)
        assert hall.claims("a") is None
        low = hall.queue()
        assert hall.claims("a") == low
        hall.passes(PATIENCE)
        hall.queue(MARGIN - 1)
        hall.passes(WAITED + 1)
        assert hall.asked() == []
        hall.queue(100)
        hall.passes(WAITED + 1)
        hall.worker("free", ONE)
        assert hall.asked() == []

    def test_nobody_is_asked_for_what_a_newer_version_must_do(self, hall: Hall) -> None:
        hall.worker("a", Offer(slots=2))
        low = [hall.queue() for _ in range(2)]
        assert [hall.claims("a") for _ in low] == low
        hall.passes(PATIENCE)
        newer = [hall.queue(50), hall.queue(20)]
        with hall.database.write() as session:
            session.execute(update(Job).where(Job.id.in_(newer)).values(spec_version=SPEC_VERSION + 1))
        hall.passes(WAITED + 1)
        assert hall.asked() == []
        hall.queue(20)
        hall.passes(WAITED + 1)
        assert len(hall.asked()) == 1

    def test_as_many_are_asked_as_wait(self, hall: Hall) -> None:
        hall.worker("a", Offer(slots=3))
        low = [hall.queue() for _ in range(3)]
        assert [hall.claims("a") for _ in low] == low
        hall.passes(PATIENCE)
        for _ in range(2):
            hall.queue(20)
        hall.passes(WAITED + 1)
        assert sorted(hall.asked()) == sorted(low[1:])
        assert hall.asked() == []

    def test_a_job_that_gave_way_often_is_left_alone(self, hall: Hall) -> None:
        hall.worker("a", ONE)
        low = hall.queue()
        asked = 0
        for _ in range(4 * MOST):
            assert hall.claims("a") == low
            hall.passes(PATIENCE * 2**asked - 1)
            urgent = hall.queue(100)
            hall.passes(WAITED + 1)
            found = hall.asked()
            if not found:
                break
            asked += 1
            hall.gives_way(low)
            assert hall.claims("a") == urgent
            with hall.database.write() as session:
                session.execute(update(Job).where(Job.id == urgent).values(state="cancelled", pool=None))
        assert asked == MOST

    def test_a_worker_is_kept_for_a_large_job_until_all_its_gpus_are_free(self, hall: Hall) -> None:
        hall.worker("a", GPUS)
        low = [hall.queue(0, "gpu") for _ in range(4)]
        assert [hall.claims("a") for _ in low] == low
        hall.passes(PATIENCE)
        large, small = hall.queue(30, "gpus-4"), hall.queue(0, "gpu")
        hall.passes(WAITED + 1)
        assert sorted(hall.asked()) == sorted(low)
        assert hall.kept_for("a") == large
        for job in low:
            assert hall.claims("a") is None
            hall.gives_way(job)
        with hall.database.write() as session:
            assert next(placement.choices(session, "a", GPUS)) == Choice(large, (0, 1, 2, 3))
        assert hall.claims("a") == large
        hall.passes(1)
        hall.asked()
        assert hall.claims("a") is None
        assert small

    def test_a_large_job_that_nobody_gives_way_to_is_waited_for_in_the_end(self, hall: Hall) -> None:
        hall.worker("a", GPUS)
        hall.worker("b", GPUS)
        small = [hall.queue(0, "gpu") for _ in range(3)]
        assert [hall.claims(name) for name in "aab"] == small
        large = hall.queue(0, "gpus-4")
        hall.passes(WAITED + 1)
        assert hall.asked() == []
        assert hall.kept_for("b") is None
        hall.passes(PATIENCE)
        assert hall.asked() == []
        assert (hall.kept_for("a"), hall.kept_for("b")) == (None, large)
        hall.queue(0, "gpu")
        assert hall.claims("b") is None
        with hall.database.write() as session:
            attempts.give_back(session, small[2], 1)
        assert hall.claims("b") == large
        assert hall.claims("a") is not None
