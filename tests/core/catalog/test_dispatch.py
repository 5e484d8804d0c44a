from collections.abc import Callable

from core.catalog import claims, dispatch, jobs
from core.catalog.database import Database, now
from core.catalog.tables import Job
from core.jobs.states import State


def publish(database: Database) -> list[str]:
    with database.read() as session:
        rows = dispatch.outbox(session)
    with database.write() as session:
        dispatch.announced(session, rows)
    return [row.job_id for row in rows]


class TestOutbox:
    def test_announces_every_job_once_in_order(self, database: Database, queued: Callable[..., str]) -> None:
        ids = [queued() for _ in range(5)]
        assert publish(database) == ids
        assert publish(database) == []

    def test_what_was_read_but_not_struck_out_is_read_again(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        for _ in range(2):
            with database.read() as session:
                assert [row.job_id for row in dispatch.outbox(session)] == [job_id]

    def test_tells_whose_job_is_still_to_be_taken(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        waits, taken = queued(), queued()
        with database.write() as session:
            claims.claim(session, taken, "w", 30)
        with database.read() as session:
            assert [(row.job_id, row.queued) for row in dispatch.outbox(session)] == [
                (waits, True),
                (taken, False),
            ]
        publish(database)
        with database.read() as session:
            assert session.get_one(Job, waits).hinted_at is not None
            assert session.get_one(Job, taken).hinted_at is None


class TestExpiredLeases:
    def test_only_expired_ones_end(self, database: Database, queued: Callable[..., str]) -> None:
        silent, alive = queued(), queued()
        with database.write() as session:
            claims.claim(session, silent, "a", -1)
            claims.claim(session, alive, "b", 30)
        with database.write() as session:
            assert dispatch.end_expired_leases(session) == [(silent, State.QUEUED)]
        with database.write() as session:
            assert dispatch.end_expired_leases(session) == []
            assert session.get_one(Job, alive).state == State.RUNNING

    def test_a_job_whose_workers_keep_dying_fails_in_the_end(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued(max_attempts=2)
        ends = []
        for _ in range(2):
            with database.write() as session:
                claims.claim(session, job_id, "w", -1)
            with database.write() as session:
                ends += dispatch.end_expired_leases(session)
        assert ends == [(job_id, State.QUEUED), (job_id, State.FAILED)]


class TestLostHints:
    def age_hint(self, database: Database, job_id: str, seconds: float) -> None:
        with database.write() as session:
            session.get_one(Job, job_id).hinted_at = now() - seconds  # type: ignore[assignment]

    def test_an_old_hint_for_a_job_still_queued_is_repeated(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        lost, fresh, taken = queued(), queued(), queued()
        publish(database)
        with database.write() as session:
            claims.claim(session, taken, "w", 30)
        for job_id in (lost, taken):
            self.age_hint(database, job_id, 60)
        with database.write() as session:
            assert dispatch.repeat_lost_hints(session, 10, {"any"}) == 1
        assert publish(database) == [lost]
        with database.read() as session:
            assert jobs.get(session, fresh) is not None

    def test_a_job_still_in_the_outbox_is_not_added_again(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        self.age_hint(database, job_id, 60)
        with database.write() as session:
            assert dispatch.repeat_lost_hints(session, 10, {"any"}) == 0
