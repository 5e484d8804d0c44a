import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from core.catalog import attempts, claims, jobs
from core.catalog.attempts import Report, Saved
from core.catalog.claims import Claimed
from core.catalog.database import Database
from core.catalog.jobs import JobEvent
from core.catalog.tables import Attempt, Base, Job, Outbox
from core.jobs.outcome import Failure, Outcome, ResultRecord, RunRecord
from core.jobs.states import State

RUN = RunRecord(
    architecture="mlp_1",
    dataset="digits",
    ticket_id=None,
    seed=0,
    order_seed=0,
    level=None,
    sparsity=0.0,
    start_step=0,
    steps=12,
    seconds=0.1,
    history=[],
    fingerprint={},
    weights_digest="ab" * 32,
)
OUTCOME = Outcome(
    runs=[RUN, replace(RUN, seed=1)],
    results=[ResultRecord(dataset="digits", point="last", correct=9, total=10, loss=0.1, run=1)],
)


def claim(database: Database, job_id: str, lease: float = 30) -> Claimed | None:
    with database.write() as session:
        return claims.claim(session, job_id, "worker", lease)


def everything(database: Database) -> dict[str, list[Any]]:
    with database.read() as session:
        rows = {name: session.execute(select(table)) for name, table in Base.metadata.tables.items()}
        return {name: sorted(map(tuple, found), key=repr) for name, found in rows.items()}


def lease_of(database: Database, job_id: str) -> float:
    with database.read() as session:
        until = session.get_one(Job, job_id).lease_until
        assert until is not None
        return until


class TestClaim:
    def test_of_many_claims_exactly_one_succeeds(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        won: list[Claimed | None] = []
        barrier = threading.Barrier(6)

        def compete() -> None:
            barrier.wait()
            won.append(claim(database, job_id))

        threads = [threading.Thread(target=compete) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [job.attempt for job in won if job is not None] == [1]
        with database.read() as session:
            assert session.query(Attempt).count() == 1

    def test_the_token_rises_with_every_attempt(self, database: Database, queued: Callable[..., str]) -> None:
        job_id = queued()
        tokens = []
        for _ in range(3):
            job = claim(database, job_id)
            assert job is not None
            tokens.append(job.attempt)
            with database.write() as session:
                attempts.lose(session, job_id, session.get_one(Job, job_id).attempt, "died")
        assert tokens == [1, 2, 3]

    def test_the_next_attempt_promises_nothing_that_the_last_one_did(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        claim(database, job_id)
        told = {"done": 30, "total": 120, "doing": "seed 0", "eta_seconds": 9.5}
        with database.write() as session:
            attempts.heartbeat(session, job_id, 1, 30, Report(progress=told))
            attempts.lose(session, job_id, 1, "died")
        claim(database, job_id)
        with database.read() as session:
            assert session.get_one(Job, job_id).progress == told | {"eta_seconds": None}

    def test_a_cancelled_job_is_not_claimed(self, database: Database, queued: Callable[..., str]) -> None:
        job_id = queued()
        with database.write() as session:
            jobs.cancel(session, job_id)
        assert claim(database, job_id) is None


class TestHeartbeat:
    def test_renews_the_lease_and_records_the_report(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        claim(database, job_id, lease=1)
        first = lease_of(database, job_id)
        report = Report([JobEvent("log", {"text": "hello"})], [], {"done": 1, "total": 2})
        with database.write() as session:
            assert attempts.heartbeat(session, job_id, 1, 100, report).state is State.RUNNING
        with database.read() as session:
            job = session.get_one(Job, job_id)
            assert job.progress == {"done": 1, "total": 2}
            assert job.lease_until is not None
            assert 90 < job.lease_until - first < 110
            assert jobs.events_after(session, job_id, 0)[-1].data == {"text": "hello"}

    def test_sees_that_cancellation_was_asked(self, database: Database, queued: Callable[..., str]) -> None:
        job_id = queued()
        claim(database, job_id)
        with database.write() as session:
            jobs.cancel(session, job_id)
            assert attempts.heartbeat(session, job_id, 1, 30, Report()).state is State.CANCELLING


class TestFencing:
    """A worker that lost its job without noticing writes into the void."""

    @pytest.fixture
    def superseded(self, database: Database, queued: Callable[..., str]) -> str:
        job_id = queued()
        claim(database, job_id)
        with database.write() as session:
            attempts.lose(session, job_id, 1, "went silent")
        claim(database, job_id)
        return job_id

    def test_a_late_heartbeat_changes_nothing(self, database: Database, superseded: str) -> None:
        report = Report(
            [JobEvent("log", {"text": "late"})], [Saved("t", 1, False, "ab" * 32)], {"done": 9, "total": 9}
        )
        before = everything(database)
        with database.write() as session:
            assert attempts.heartbeat(session, superseded, 1, 30, report).state is None
        assert everything(database) == before

    @pytest.mark.parametrize("ending", ["succeed", "fail", "stopped", "give_back", "lose"])
    def test_a_late_ending_changes_nothing(self, database: Database, superseded: str, ending: str) -> None:
        before = everything(database)
        with database.write() as session:
            ended = {
                "succeed": lambda: attempts.succeed(session, superseded, 1, OUTCOME, []),
                "fail": lambda: attempts.fail(session, superseded, 1, Failure("error", "late")),
                "stopped": lambda: attempts.stopped(session, superseded, 1),
                "give_back": lambda: attempts.give_back(session, superseded, 1),
                "lose": lambda: attempts.lose(session, superseded, 1, "late"),
            }[ending]()
        assert not ended
        assert everything(database) == before


class TestSucceed:
    def test_everything_produced_appears_with_the_state(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        claim(database, job_id)
        with database.write() as session:
            assert attempts.succeed(session, job_id, 1, OUTCOME, [])
        with database.read() as session:
            job = session.get_one(Job, job_id)
            assert job.state == State.SUCCEEDED
            assert [run.seed for run in job.runs] == [0, 1]
            assert [(result.run, result.correct) for result in job.results] == [(1, 9)]

    def test_a_second_result_is_not_accepted(self, database: Database, queued: Callable[..., str]) -> None:
        job_id = queued()
        claim(database, job_id)
        with database.write() as session:
            attempts.succeed(session, job_id, 1, OUTCOME, [])
        before = everything(database)
        with database.write() as session:
            assert not attempts.succeed(session, job_id, 1, OUTCOME, [])
            assert not attempts.fail(session, job_id, 1, Failure("error", "late"))
        assert everything(database) == before

    def test_a_job_that_is_being_cancelled_may_finish_first(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        claim(database, job_id)
        with database.write() as session:
            jobs.cancel(session, job_id)
            assert attempts.succeed(session, job_id, 1, OUTCOME, [])


class TestLose:
    def test_back_to_the_queue_and_announced_again(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        claim(database, job_id)
        with database.write() as session:
            session.query(Outbox).delete()
            assert (
                attempts.lose(session, job_id, session.get_one(Job, job_id).attempt, "died") is State.QUEUED
            )
        with database.read() as session:
            assert [row.job_id for row in session.query(Outbox)] == [job_id]
            assert session.get_one(Attempt, (job_id, 1)).outcome == "died"

    def test_the_last_attempt_fails_the_job_with_the_reason(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued(max_attempts=1)
        claim(database, job_id)
        with database.write() as session:
            assert attempts.lose(session, job_id, 1, "died of SIGKILL") is State.FAILED
        with database.read() as session:
            error = session.get_one(Job, job_id).error
        assert error is not None
        assert error["reason"] == "attempts_exhausted"
        assert "died of SIGKILL" in error["message"]

    def test_a_job_that_was_to_be_cancelled_ends_cancelled(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        claim(database, job_id)
        with database.write() as session:
            jobs.cancel(session, job_id)
            assert (
                attempts.lose(session, job_id, session.get_one(Job, job_id).attempt, "died")
                is State.CANCELLED
            )


class TestGiveBack:
    def test_stopping_a_worker_does_not_use_up_attempts(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued(max_attempts=1)
        for token in (1, 2, 3):
            claim(database, job_id)
            with database.write() as session:
                assert attempts.give_back(session, job_id, token) is State.QUEUED


class TestCheckpoints:
    def save(self, database: Database, job_id: str, *saved: Saved, attempt: int = 1) -> list[Saved]:
        with database.write() as session:
            attempts.heartbeat(session, job_id, attempt, 30, Report(checkpoints=list(saved)))
        with database.read() as session:
            return attempts.checkpoints(session, job_id)

    def test_the_two_latest_of_a_training_are_kept(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        claim(database, job_id)
        states = [Saved("level 0", step, False, f"{step:064d}") for step in range(4)]
        assert self.save(database, job_id, *states) == [states[3], states[2]]

    def test_the_end_of_a_training_replaces_its_middle(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        claim(database, job_id)
        end = Saved("level 0", 9, True, "cd" * 32)
        other = Saved("level 1", 3, False, "ef" * 32)
        assert self.save(database, job_id, Saved("level 0", 5, False, "ab" * 32), end, other) == [end, other]

    def test_what_a_later_attempt_saved_is_later_though_it_had_to_start_over(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        claim(database, job_id)
        self.save(
            database, job_id, Saved("level 0", 7, False, "ab" * 32), Saved("level 0", 8, False, "cd" * 32)
        )
        with database.write() as session:
            attempts.lose(session, job_id, 1, "died")
        claim(database, job_id)
        states = [Saved("level 0", step, False, f"{step:064d}") for step in (1, 2)]
        assert self.save(database, job_id, *states, attempt=2) == [states[1], states[0]]

    def test_the_digests_that_nothing_points_to_any_more_are_told(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        claim(database, job_id)
        states = [Saved("level 0", step, False, f"{step:064d}") for step in range(4)]
        with database.write() as session:
            beat = attempts.heartbeat(session, job_id, 1, 30, Report(checkpoints=states))
        assert beat.dropped == {states[0].digest, states[1].digest}

    def test_a_digest_that_another_row_still_points_to_is_kept(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        claim(database, job_id)
        shared = Saved("level 0", 1, False, "ab" * 32)
        later = [Saved("level 0", step, False, f"{step:064d}") for step in (2, 3)]
        self.save(database, job_id, shared, Saved("level 1", 1, False, shared.digest))
        with database.write() as session:
            assert (
                attempts.heartbeat(session, job_id, 1, 30, Report(checkpoints=later)).dropped == frozenset()
            )

    def test_an_ended_job_forgets_them(self, database: Database, queued: Callable[..., str]) -> None:
        job_id = queued()
        claim(database, job_id)
        self.save(database, job_id, Saved("level 0", 5, False, "ab" * 32))
        with database.write() as session:
            assert not attempts.has_ended(session, job_id)
            attempts.fail(session, job_id, 1, Failure("error", "x"))
            assert attempts.has_ended(session, job_id)
            attempts.forget_checkpoints(session, job_id)
            assert attempts.checkpoints(session, job_id) == []

    def test_an_attempt_that_saved_a_state_does_not_use_up_the_limit(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued(max_attempts=1)
        for token in (1, 2):
            claim(database, job_id)
            saved = Saved("level 0", token, False, f"{token:064d}")
            with database.write() as session:
                attempts.heartbeat(session, job_id, token, 30, Report(checkpoints=[saved]))
                assert attempts.lose(session, job_id, token, "died") is State.QUEUED
        claim(database, job_id)
        with database.write() as session:
            assert attempts.lose(session, job_id, 3, "died") is State.FAILED


class TestClock:
    def test_leases_use_the_databases_own_time_in_seconds(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job_id = queued()
        claim(database, job_id, lease=30)
        assert abs(lease_of(database, job_id) - 30 - time.time()) < 5
