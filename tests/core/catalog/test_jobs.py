import itertools
import threading
from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from core.catalog import attempts, claims, jobs
from core.catalog.attempts import Report
from core.catalog.database import Database
from core.catalog.jobs import JobEvent
from core.catalog.tables import Job, Outbox
from core.jobs.specs import TrainSpec, parse_spec
from core.jobs.states import RETRYABLE, STATES, State


def put_in(database: Database, job_id: str, state: State) -> None:
    with database.write() as session:
        job = session.get(Job, job_id)
        assert job is not None
        job.state = state


def state_of(database: Database, job_id: str) -> State:
    with database.read() as session:
        job = jobs.get(session, job_id)
        assert job is not None
        return State(job.state)


class TestCreate:
    def test_the_job_its_first_event_and_its_announcement_come_together(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        with database.read() as session:
            assert [row.job_id for row in session.query(Outbox)] == [job_id]
            events = jobs.events_after(session, job_id, 0)
        assert [(event.seq, event.kind, event.data) for event in events] == [
            (1, "state", {"state": "queued"})
        ]

    def test_a_failed_transaction_leaves_none_of_them(self, database: Database, spec: TrainSpec) -> None:
        with pytest.raises(RuntimeError, match="before the commit"), database.write() as session:
            jobs.create(session, spec, 3)
            raise RuntimeError("before the commit")
        with database.read() as session:
            assert session.query(Job).count() == session.query(Outbox).count() == 0

    def test_the_stored_spec_reads_back_the_same(self, database: Database, spec: TrainSpec) -> None:
        with database.write() as session:
            stored = jobs.create(session, spec, 3).spec
        assert parse_spec(stored) == spec


class TestCreateAll:
    def test_each_is_as_if_it_had_been_made_alone_and_read_back(
        self, database: Database, spec: TrainSpec
    ) -> None:
        columns = [column.name for column in Job.__table__.columns]
        with database.write() as session:
            wanted = [jobs.New(spec, 3, priority=number, digest=f"{number:064x}") for number in range(4)]
            made = jobs.create_all(session, wanted)
            alone = jobs.create(session, spec, 3, priority=4, digest=f"{4:064x}")
            assert [job.id for job in made] == [new.id for new in wanted]
            told = [[getattr(job, name) for name in columns] for job in (*made, alone)]
            assert all(job.attempts == job.runs == job.results == job.outputs == [] for job in made)
        with database.read() as session:
            rows = [session.get_one(Job, job.id) for job in (*made, alone)]
            assert [[getattr(row, name) for name in columns] for row in rows] == told
            assert {row.job_id for row in session.query(Outbox)} == {row.id for row in rows}
            for row in rows:
                (event,) = jobs.events_after(session, row.id, 0)
                assert (event.seq, event.kind, event.data) == (1, "state", {"state": "queued"})

    def test_the_session_has_them_as_its_own(self, database: Database, spec: TrainSpec) -> None:
        with database.write() as session:
            (job,) = jobs.create_all(session, [jobs.New(spec, 3)])
            assert session.get(Job, job.id) is job
            job.priority = 7
        with database.read() as session:
            assert session.get_one(Job, job.id).priority == 7

    def test_of_none_nothing_is_made(self, database: Database) -> None:
        with database.write() as session:
            assert jobs.create_all(session, []) == []
            assert session.query(Outbox).count() == 0


class TestTransition:
    @pytest.mark.parametrize(("before", "after"), list(itertools.product(State, State)))
    def test_only_what_the_state_table_allows_happens(
        self, database: Database, queued: Callable[..., str], before: State, after: State
    ) -> None:
        job_id = queued()
        put_in(database, job_id, before)
        with database.write() as session:
            moved = jobs.transition(session, job_id, after)
        assert (moved is not None) == (after in STATES[before].then)
        assert state_of(database, job_id) == (after if moved else before)

    def test_a_terminal_state_has_an_end_and_no_lease(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        with database.write() as session:
            claims.claim(session, job_id, "w", 30)
            job = jobs.transition(
                session, job_id, State.FAILED, values={"error": {"reason": "r", "message": "m"}}
            )
        assert job is not None
        assert job.lease_until is None
        assert job.finished_at is not None
        assert job.finished_at >= job.created_at


def claimed(database: Database, job_id: str) -> str:
    with database.write() as session:
        claims.claim(session, job_id, "w", 60)
    return job_id


def tell(session: Session, job_id: str, events: list[JobEvent]) -> None:
    assert attempts.heartbeat(session, job_id, 1, 60, Report(events)).state == State.RUNNING


class TestEvents:
    def test_numbers_have_no_gaps_when_writers_compete(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = claimed(database, queued())

        def write(name: int) -> None:
            for i in range(10):
                with database.write() as session:
                    tell(session, job_id, [JobEvent("log", {"text": f"{name}.{i}"})] * 2)

        threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with database.read() as session:
            assert [event.seq for event in jobs.events_after(session, job_id, 0)] == list(range(1, 83))

    def test_replay_starts_after_the_number_given(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = claimed(database, queued())
        with database.write() as session:
            tell(session, job_id, [JobEvent("log", {"text": str(i)}) for i in range(5)])
        with database.read() as session:
            assert [event.data["text"] for event in jobs.events_after(session, job_id, 5)] == ["3", "4"]


class TestCancel:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (State.WAITING, State.CANCELLED),
            (State.QUEUED, State.CANCELLED),
            (State.RUNNING, State.CANCELLING),
            (State.CANCELLING, None),
            (State.SUCCEEDED, None),
            (State.FAILED, None),
            (State.CANCELLED, None),
        ],
    )
    def test_cancel_from_every_state(
        self, database: Database, queued: Callable[..., str], before: State, after: State | None
    ) -> None:
        job_id = queued()
        put_in(database, job_id, before)
        with database.write() as session:
            job = jobs.cancel(session, job_id)
        assert (job and job.state) == after


class TestRetry:
    @pytest.mark.parametrize("state", list(State))
    def test_only_failed_and_cancelled_jobs_are_retried(
        self, database: Database, queued: Callable[..., str], spec: TrainSpec, state: State
    ) -> None:
        job_id = queued()
        put_in(database, job_id, state)
        with database.write() as session:
            job = jobs.get(session, job_id)
            assert job is not None
            again = jobs.retry(session, job, spec, 3)
        assert (again is not None) == (state in RETRYABLE)
        if again is not None:
            assert (again.retry_of, again.state, again.spec) == (job_id, State.QUEUED, job.spec)
        assert state_of(database, job_id) == state
