from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from core.catalog import attempts, claims, dispatch, history, jobs
from core.catalog.artifacts import LocalStore
from core.catalog.attempts import Report
from core.catalog.database import Database
from core.catalog.history import Violation
from core.catalog.jobs import JobEvent
from core.jobs.outcome import Failure, Outcome, RunRecord

WEIGHTS = b"weights"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "artifacts")


@pytest.fixture
def lived(database: Database, queued: Callable[..., str], store: LocalStore) -> str:
    """A job whose first attempt died and whose second succeeded; three more: failed, cancelled, running."""
    with store.stage() as staged:
        staged.write(WEIGHTS)
        digest = staged.commit()
    run = RunRecord("mlp_1", "digits", None, 0, 0, None, 0.0, 0, 12, 0.1, [], {}, digest)
    lived, failed, cancelled, running = (queued() for _ in range(4))
    with database.write() as session:
        claims.claim(session, lived, "w", 60)
        attempts.heartbeat(session, lived, 1, 60, Report([JobEvent("log", {"text": "…"})]))
        attempts.lose(session, lived, 1, "died")
        claims.claim(session, lived, "w", 60)
        attempts.succeed(session, lived, 2, Outcome(runs=[run]), [])
        claims.claim(session, failed, "w", 60)
        attempts.fail(session, failed, 1, Failure("diverged", "…"))
        jobs.cancel(session, cancelled)
        claims.claim(session, running, "w", 60)
        dispatch.announced(session, dispatch.outbox(session))
    return lived


def found(database: Database, store: LocalStore | None = None) -> list[Violation]:
    with database.read() as session:
        return list(history.violations(session, store))


def tamper(database: Database, statement: str, job_id: str) -> None:
    with database.write() as session:
        session.execute(text(statement), {"job": job_id})


TAMPERED = {
    "UPDATE attempts SET outcome = 'succeeded' WHERE job_id = :job": "a job has at most one accepted result",
    "UPDATE runs SET job_id = (SELECT id FROM jobs WHERE state = 'failed') WHERE job_id = :job": (
        "a job has at most one accepted result"
    ),
    "UPDATE jobs SET attempt = 1 WHERE id = :job": "fencing tokens strictly increase",
    "DELETE FROM attempts WHERE job_id = :job AND attempt = 1": "fencing tokens strictly increase",
    "UPDATE events SET attempt = 1 WHERE job_id = :job AND attempt = 2": "fencing tokens strictly increase",
    "UPDATE jobs SET state = 'failed' WHERE id = :job": "terminal states are final",
    "UPDATE events SET kind = 'log' WHERE job_id = :job AND seq = 2": "terminal states are final",
    "INSERT INTO events (job_id, seq, attempt, kind, data) VALUES (:job, 7, 2, 'log', '{}')": (
        "events are numbered without a gap"
    ),
    "DELETE FROM events WHERE job_id = :job AND seq = 3": "events are numbered without a gap",
    "DELETE FROM events WHERE job_id = :job": "events are numbered without a gap",
    "UPDATE jobs SET lease_until = 9 WHERE id = :job": "only a job that is held has a lease",
    "UPDATE jobs SET lease_until = NULL WHERE state = 'running' AND :job = :job": (
        "only a job that is held has a lease"
    ),
    "UPDATE jobs SET finished_at = NULL WHERE id = :job": "only a job that is held has a lease",
    "UPDATE attempts SET ended_at = NULL WHERE job_id = :job": "only a job that is held has a lease",
    "INSERT INTO idempotency_keys (project, key, scope, fingerprint, status, resource, created_at)"
    " VALUES ('default', 'k', 'POST /find', :job, 202, 'nobody', 0)": "what was acknowledged exists",
}


class TestViolations:
    def test_what_the_catalog_does_breaks_no_promise(
        self, database: Database, lived: str, store: LocalStore
    ) -> None:
        assert found(database, store) == []

    @pytest.mark.parametrize("statement", TAMPERED)
    def test_a_history_that_cannot_be_is_found(self, database: Database, lived: str, statement: str) -> None:
        tamper(database, statement, lived)
        assert TAMPERED[statement] in {violation.promise for violation in found(database)}

    def test_a_state_after_the_end_is_found(self, database: Database, lived: str) -> None:
        tamper(
            database,
            """INSERT INTO events (job_id, seq, attempt, kind, data)
            VALUES (:job, 7, 2, 'state', '{"state": "failed"}')""",
            lived,
        )
        tamper(database, "UPDATE jobs SET last_event = 7, state = 'failed' WHERE id = :job", lived)
        assert ("terminal states are final", "it went from succeeded to failed") in {
            (violation.promise, violation.what) for violation in found(database)
        }

    def test_a_second_success_is_found(self, database: Database, lived: str) -> None:
        tamper(
            database,
            """INSERT INTO events (job_id, seq, attempt, kind, data)
            VALUES (:job, 7, 2, 'state', '{"state": "succeeded"}')""",
            lived,
        )
        assert "it succeeded 2 times" in {violation.what for violation in found(database)}

    @pytest.mark.parametrize("damage", ["gone", "truncated", "flipped"])
    def test_an_artifact_that_is_not_what_it_was_is_found(
        self, database: Database, lived: str, store: LocalStore, damage: str
    ) -> None:
        (path,) = (path for path in store.root.rglob("*") if path.is_file())
        path.chmod(0o644)
        match damage:
            case "gone":
                path.unlink()
            case "truncated":
                path.write_bytes(WEIGHTS[:-1])
            case "flipped":
                path.write_bytes(bytes([WEIGHTS[0] ^ 1]) + WEIGHTS[1:])
        (violation,) = found(database, store)
        assert violation.promise == "every artifact is there, with its digest"
        assert violation.subject == lived
        assert path.name in violation.what


class TestAcknowledged:
    def test_what_is_nowhere_is_found(self, database: Database, lived: str) -> None:
        with database.read() as session:
            assert list(history.acknowledged(session, [lived])) == []
            (violation,) = history.acknowledged(session, [lived, "f" * 32])
        assert violation.subject == "f" * 32


class TestUnsettled:
    def test_what_is_left_to_do_is_found(self, database: Database, lived: str) -> None:
        with database.write() as session:
            jobs.enqueue(session, lived, "any")
        with database.read() as session:
            assert [(v.promise, v.what) for v in history.unsettled(session)] == [
                ("no announcement is stuck", "it is still in the outbox"),
                ("every job ends", "it is running"),
            ]
