from collections.abc import Callable, Iterator

import pytest

from core.catalog import attempts, claims, pools
from core.catalog.database import Database
from core.catalog.tables import Job, Pool
from core.jobs.placement import Offer
from tests.core.catalog.faked_clock import Clock

OFFER = Offer(slots=2, memory=512, gpus=1, gpu_memory=256, takes=frozenset({"gpu", "any"}))


@pytest.fixture
def clock(database: Database) -> Iterator[Clock]:
    return Clock(database)


def names(database: Database) -> list[str]:
    with database.read() as session:
        return [pool.name for pool in pools.live(session)]


class TestEnrol:
    def test_says_what_it_offers_now_and_stays_drained(self, database: Database) -> None:
        with database.write() as session:
            assert pools.enrol(session, "w", Offer(slots=1)) is False
            pools.drain(session, "w")
        with database.write() as session:
            assert pools.enrol(session, "w", OFFER) is True
        with database.read() as session:
            assert pools.offer(session.get_one(Pool, "w")) == OFFER

    def test_one_that_begins_under_a_name_is_another_than_the_one_before(self, database: Database) -> None:
        with database.write() as session:
            pools.enrol(session, "w", OFFER)
            pools.drain(session, "w")
        with database.write() as session:
            assert pools.enrol(session, "w", OFFER, begins=True) is False

    def test_one_that_is_silent_is_not_counted_upon_and_forgotten_after_an_hour(
        self, database: Database, clock: Clock
    ) -> None:
        for name in ("a", "b"):
            with database.write() as session:
                pools.enrol(session, name, OFFER)
            clock.set(clock.now + pools.LIVE_SECONDS)
        assert names(database) == ["b"]
        clock.set(clock.now + pools.KEPT_SECONDS - pools.LIVE_SECONDS)
        with database.write() as session:
            pools.forget(session)
            assert session.get(Pool, "a") is None
            assert session.get(Pool, "b") is not None
            pools.leave(session, "b")
        assert names(database) == []


class TestCrews:
    def test_are_those_that_are_there_with_their_slots(self, database: Database, clock: Clock) -> None:
        with database.write() as session:
            assert pools.crews(session) == []
            pools.enrol(session, "silent", OFFER)
        clock.set(clock.now + pools.LIVE_SECONDS + 1)
        with database.write() as session:
            for name, slots in (("a", 2), ("b", 3), ("drained", 5)):
                pools.enrol(session, name, Offer(slots=slots))
            pools.drain(session, "drained")
        with database.read() as session:
            assert pools.crews(session) == [(False, 2, 5), (True, 1, 5)]


class TestDrain:
    def test_it_is_not_counted_upon_and_its_jobs_go_on(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job = queued()
        with database.write() as session:
            pools.enrol(session, "w", OFFER)
            claims.claim(session, job, "s", 60, "w", [0])
            drained = pools.drain(session, "w")
            assert drained is not None
            assert drained.drain
        assert names(database) == []
        with database.read() as session:
            held = session.get_one(Job, job)
            assert (held.pool, held.gpus, held.gives_way) == ("w", [0], None)

    def test_at_once_its_own_running_jobs_are_to_leave(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        mine, other = queued(), queued()
        with database.write() as session:
            pools.enrol(session, "w", OFFER)
            claims.claim(session, mine, "s", 60, "w")
            claims.claim(session, other, "t", 60, "v")
            pools.drain(session, "w", at_once=True)
        with database.write() as session:
            beat = attempts.heartbeat(session, mine, 1, 60, attempts.Report())
            assert beat.gives_way == "worker w was drained"
            assert attempts.heartbeat(session, other, 1, 60, attempts.Report()).gives_way is None
            attempts.give_back(session, mine, 1, beat.gives_way)
        with database.read() as session:
            job = session.get_one(Job, mine)
            assert (job.state, job.pool, job.gives_way, job.gave_way) == ("queued", None, None, 0)
            assert (job.max_attempts, job.attempts[0].outcome) == (4, "worker w was drained")

    def test_one_that_is_not_there_cannot_be(self, database: Database) -> None:
        with database.write() as session:
            assert pools.drain(session, "nobody") is None
