import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from core.catalog import dispatch, jobs
from core.catalog.bell import Bell
from core.catalog.database import Database
from core.catalog.dispatch import Announcement
from core.jobs.specs import NoopSpec

LONG = 20.0


class Undone(Exception):
    """What happens in a transaction that is rolled back."""


@pytest.fixture
def bell(database: Database) -> Iterator[Bell]:
    """A bell that has heard of everything so far."""
    listening = Bell(database)
    while listening.wait(0.05):
        pass
    yield listening
    listening.close()


def heard_after(bell: Bell, seconds: float = LONG) -> float:
    began = time.monotonic()
    assert bell.wait(seconds)
    return time.monotonic() - began


class TestWait:
    def test_a_queued_job_is_heard_of_long_before_the_time_is_over(
        self, bell: Bell, queued: Callable[..., str]
    ) -> None:
        for _ in range(2):
            queued()
            assert heard_after(bell) < LONG / 2
            assert not bell.wait(0.02)

    def test_one_that_is_queued_again_is_heard_of(self, bell: Bell, database: Database) -> None:
        with database.write() as session:
            job = jobs.create(session, NoopSpec(), 2)
        bell.wait(LONG)
        with database.write() as session:
            jobs.enqueue(session, job.id, job.need)
        assert heard_after(bell) < LONG / 2

    def test_what_was_rolled_back_is_not(self, bell: Bell, database: Database) -> None:
        with pytest.raises(Undone), database.write() as session:
            jobs.create(session, NoopSpec(), 2)
            session.flush()
            raise Undone
        assert not bell.wait(0.05)

    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    def test_it_tells_what_stands_in_the_outbox(self, bell: Bell, database: Database) -> None:
        with database.write() as session:
            jobs.create(session, NoopSpec(), 2)
        (told,) = bell.wait(LONG)
        with database.read() as session:
            assert [Announcement.told(told)] == dispatch.outbox(session)

    def test_many_jobs_of_one_transaction_ring_once(self, bell: Bell, database: Database) -> None:
        with database.write() as session:
            for _ in range(3):
                jobs.create(session, NoopSpec(), 2)
        assert "" in bell.wait(LONG)
        assert not bell.wait(0.02)

    def test_a_connection_that_breaks_is_silence_and_made_anew(
        self, bell: Bell, queued: Callable[..., str]
    ) -> None:
        bell._connection.close()
        assert not bell.wait(0.01)
        assert not bell.leads
        bell.wait(0.01)
        queued()
        assert heard_after(bell) < LONG / 2


class TestLeads:
    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    def test_one_of_those_that_share_a_database_until_it_is_gone(
        self, database: Database, bell: Bell, queued: Callable[..., str]
    ) -> None:
        with closing(Bell(database)) as other:
            other.wait(0.01)
            assert (bell.leads, other.leads) == (True, False)
            queued()
            assert not other.wait(0.01)
            bell.close()
            # The server gives the lock back once it has seen that the connection ended.
            until = time.monotonic() + LONG
            while not other.leads and time.monotonic() < until:
                other.wait(0.01)
            assert other.leads
            queued()
            assert heard_after(other) < LONG / 2
