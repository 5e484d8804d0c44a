from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from sqlalchemy import insert, update

from core.catalog import attempts, claims, dispatch, ended, pools, preemption
from core.catalog.database import Database
from core.catalog.ended import SETTLED_SECONDS, Ended, Place, ended_after, outcome_of
from core.catalog.tables import Attempt, Job
from core.jobs.outcome import Failure, Outcome
from core.jobs.placement import Offer
from core.jobs.preemption import MARGIN

Queued = Callable[..., str]
LATER = 1e12


@pytest.fixture
def over(database: Database, queued: Queued) -> Callable[..., str]:
    """A job whose attempts ended at these times, after so many seconds each."""

    def make(*ends: float, seconds: float = 2.0, created: float = 0.0) -> str:
        job = queued()
        with database.write() as session:
            session.execute(update(Job).where(Job.id == job).values(created_at=created))
            rows = [
                {
                    "job_id": job,
                    "attempt": i,
                    "worker": "w",
                    "started_at": end - seconds,
                    "ended_at": end,
                    "outcome": "succeeded",
                }
                for i, end in enumerate(ends, 1)
            ]
            session.execute(insert(Attempt), rows)
        return job

    return make


def read_on(database: Database, place: Place, at: float = LATER) -> Iterator[list[Ended]]:
    """Pieces up to the end."""
    while True:
        with database.everywhere().read() as session:
            found, place = ended_after(session, place, at)
        if not found:
            return
        yield list(found)


class TestReadingOn:
    def test_tells_each_once_in_pieces_whatever_ends_at_the_same_time(
        self, database: Database, over: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ended, "PIECE", 4)
        random.seed(1)
        times = [random.choice([100.0, 101.0, 102.0]) for _ in range(15)]
        for index, when in enumerate(times):
            over(when, seconds=1 + index)
        pieces = list(read_on(database, Place(0.0)))
        told = [one.seconds for piece in pieces for one in piece]
        assert sorted(told) == [1.0 + index for index in range(15)]
        ends = [times[int(seconds) - 1] for seconds in told]
        assert all(before <= after for before, after in pairwise(ends))
        assert [len(piece) for piece in pieces] == [4, 4, 4, 3]

    def test_begins_after_the_place_and_leaves_what_is_not_settled(
        self, database: Database, over: Callable[..., str]
    ) -> None:
        over(50.0, seconds=1)
        over(60.0, seconds=2)
        over(70.0, seconds=3)
        ((one,),) = read_on(database, Place(50.0, "~"), at=70.0 + SETTLED_SECONDS - 0.1)
        assert one.seconds == 2.0

    def test_only_a_first_attempt_was_waited_for(self, database: Database, over: Callable[..., str]) -> None:
        over(100.0, 200.0, seconds=10, created=30.0)
        ((first, second),) = read_on(database, Place(0.0))
        assert (first.waited, second.waited) == (60.0, None)

    def test_one_under_way_is_not_told(self, database: Database, queued: Queued) -> None:
        job = queued()
        with database.write() as session:
            claims.claim(session, job, "w", 60)
        assert list(read_on(database, Place(0.0))) == []


class TestOutcomes:
    def test_each_end_of_an_attempt_has_its_own(self, database: Database, queued: Queued) -> None:
        ends = {
            "succeeded": lambda session, job: attempts.succeed(session, job, 1, Outcome(), []),
            "failed": lambda session, job: attempts.fail(session, job, 1, Failure("diverged", "nan")),
            "cancelled": lambda session, job: attempts.stopped(session, job, 1),
            "returned": lambda session, job: attempts.give_back(session, job, 1),
            "died": lambda session, job: attempts.lose(session, job, 1, "the trainer was killed by SIGKILL"),
        }
        for outcome, end in ends.items():
            job = queued()
            with database.write() as session:
                claims.claim(session, job, "w", 60)
                if outcome == "cancelled":
                    attempts.transition(session, job, attempts.State.CANCELLING)
                assert end(session, job)
            with database.read() as session:
                assert outcome_of(session.get_one(Attempt, (job, 1)).outcome or "") == outcome

    def test_one_whose_lease_ran_out_is_silent(self, database: Database, queued: Queued) -> None:
        job = queued()
        with database.write() as session:
            claims.claim(session, job, "w", -1)
            assert dispatch.end_expired_leases(session)
        with database.read() as session:
            assert outcome_of(session.get_one(Attempt, (job, 1)).outcome or "") == "silent"

    def test_one_that_gave_way_to_a_higher_priority_was_preempted(
        self, database: Database, queued: Queued
    ) -> None:
        low, high = queued(), queued()
        with database.write() as session:
            pools.enrol(session, "host:1", Offer(slots=1))
            claims.claim(session, low, "host:2", 60, "host:1", ())
            session.execute(update(Job).where(Job.id == high).values(priority=MARGIN, hinted_at=0.0))
        with database.everywhere().write() as session:
            assert preemption.make_room(session, 0.0, 0.0) == [low]
        assert self.given_back(database, low) == "preempted"

    def test_one_whose_worker_was_drained_was_returned(self, database: Database, queued: Queued) -> None:
        job = queued()
        with database.write() as session:
            pools.enrol(session, "host:1", Offer(slots=1))
            claims.claim(session, job, "host:2", 60, "host:1", ())
            pools.drain(session, "host:1", at_once=True)
        assert self.given_back(database, job) == "returned"

    def given_back(self, database: Database, job: str) -> str:
        """The outcome of an attempt that was asked to leave, and did."""
        with database.write() as session:
            asked = attempts.heartbeat(session, job, 1, 60, attempts.Report()).gives_way
            assert asked is not None
            attempts.give_back(session, job, 1, asked)
        with database.read() as session:
            return outcome_of(session.get_one(Attempt, (job, 1)).outcome or "")
