import random
from collections.abc import Callable

import pytest

from core.catalog import attempts, jobs, placement, queue
from core.catalog.database import Database
from core.catalog.search import JobFilter
from core.catalog.tables import Job
from core.jobs.identity import SPEC_VERSION
from core.jobs.placement import Offer
from core.jobs.specs import TrainSpec
from core.jobs.states import State


def prioritised(database: Database, job_id: str, priority: int) -> bool:
    with database.write() as session:
        return queue.prioritise(session, job_id, priority) is not None


def taken(database: Database) -> list[str]:
    """The order in which workers that take whatever comes next get the jobs."""
    found: list[str] = []
    while True:
        with database.write() as session:
            job = placement.take(session, "w", Offer(slots=1000), "w/0", 30)
            if job is None:
                return found
            found.append(job.id)


class TestNextJob:
    def test_is_the_first_created_of_those_that_wait(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        first, second, third = queued(), queued(), queued()
        with database.write() as session:
            jobs.cancel(session, first)
        assert taken(database) == [second, third]

    def test_the_highest_priority_goes_before_age(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        given = [0, -100, 100, 0, 7, -1, 7]
        made = [queued() for _ in given]
        for job_id, priority in zip(made, given, strict=True):
            assert prioritised(database, job_id, priority)
        places = sorted(range(len(given)), key=lambda i: (-given[i], i))
        assert taken(database) == [made[i] for i in places]

    def test_a_job_is_created_with_its_priority_and_returns_to_the_queue_with_it(
        self, database: Database, queued: Callable[..., str], spec: TrainSpec
    ) -> None:
        older = queued()
        with database.write() as session:
            urgent = jobs.create(session, spec, 3, priority=5).id
            taken_first = placement.take(session, "w", Offer(slots=1), "w/0", 30)
            assert taken_first is not None
            assert taken_first.id == urgent
        with database.write() as session:
            attempts.give_back(session, urgent, 1)
        assert taken(database) == [urgent, older]

    def test_what_a_newer_version_asked_for_or_began_is_left_to_it(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        newer, older, own = queued(), queued(), queued()
        with database.write() as session:
            session.get_one(Job, newer).spec_version = SPEC_VERSION + 1
            session.get_one(Job, older).spec_version = SPEC_VERSION - 1
        assert taken(database) == [older, own]
        with database.read() as session:
            assert session.get_one(Job, newer).state == State.QUEUED
            # Its training states are of this version now.
            assert session.get_one(Job, older).spec_version == SPEC_VERSION

    def test_a_retry_has_the_priority_of_what_it_retries(
        self, database: Database, queued: Callable[..., str], spec: TrainSpec
    ) -> None:
        job_id = queued()
        assert prioritised(database, job_id, 9)
        with database.write() as session:
            job = jobs.cancel(session, job_id)
            assert job is not None
            again = jobs.retry(session, job, spec, 3)
            other = jobs.retry(session, job, spec, 3, priority=0)
        assert again is not None
        assert other is not None
        assert (again.priority, other.priority) == (9, 0)


class TestPrioritise:
    @pytest.mark.parametrize("state", State)
    def test_only_what_has_not_begun_has_a_place(
        self, database: Database, queued: Callable[..., str], state: State
    ) -> None:
        job_id = queued()
        with database.write() as session:
            session.get_one(Job, job_id).state = state
        may = state in (State.WAITING, State.QUEUED)
        assert prioritised(database, job_id, 3) is may
        with database.read() as session:
            assert session.get_one(Job, job_id).priority == (3 if may else 0)

    def test_a_job_that_is_not_there_has_none(self, database: Database) -> None:
        assert not prioritised(database, "0" * 32, 3)


class TestFront:
    def test_and_positions_agree_with_what_workers_take(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        made = [queued() for _ in range(12)]
        for job_id in made:
            prioritised(database, job_id, random.Random(job_id).randint(-2, 2))
        with database.read() as session:
            shown = [job.id for job in queue.front(session, 50, JobFilter())]
            few = [job.id for job in queue.front(session, 3, JobFilter(text="mlp_1"))]
            none = queue.front(session, 3, JobFilter(text="mlp_2"))
            places = queue.positions(session)
        assert few == shown[:3]
        assert none == []
        assert taken(database) == shown == sorted(places, key=lambda job_id: places[job_id])
        assert sorted(places.values()) == list(range(1, 13))
