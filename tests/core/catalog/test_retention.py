"""What is dropped by age, and what never is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from core.catalog import (
    attempts,
    audit,
    claims,
    deletion,
    history,
    idempotency,
    jobs,
    keys,
    references,
    retention,
    tickets,
)
from core.catalog.artifacts import LocalStore
from core.catalog.attempts import Report
from core.catalog.audit import Act
from core.catalog.database import Database
from core.catalog.idempotency import Made
from core.catalog.jobs import JobEvent
from core.catalog.retention import DAY
from core.catalog.tables import AuditEntry, Event, IdempotencyKey, Job, Study, StudyJob, Ticket
from core.jobs.outcome import Outcome, ResultRecord, RunRecord
from core.jobs.specs import EvaluateSpec, FindSpec

WEIGHTS = "aa" * 32


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "artifacts")


@pytest.fixture
def lived(database: Database, queued: Callable[..., str]) -> Callable[..., str]:
    """Makes a train job that was over so many days ago."""

    def make(days: float, ticket: str | None = None) -> str:
        run = RunRecord("mlp_1", "digits", ticket, 0, 0, None, 0.0, 0, 12, 0.1, [], {}, WEIGHTS)
        result = ResultRecord("digits", "last", 90, 100, 0.1, run=0, ticket_id=ticket)
        job = queued()
        with database.write() as session:
            claims.claim(session, job, "w", 60)
            attempts.heartbeat(session, job, 1, 60, Report([JobEvent("log", {"text": "…"})] * 3))
            attempts.succeed(session, job, 1, Outcome(runs=[run], results=[result]), [])
            aged(session, job, days)
        return job

    return make


def aged(session: Any, job: str, days: float) -> None:
    times = {name: getattr(Job, name) - days * DAY for name in ("created_at", "started_at", "finished_at")}
    session.execute(update(Job).where(Job.id == job).values(times))


def keep(database: Database, **days: float) -> None:
    with database.write() as session:
        for what, some in days.items():
            retention.keep(session, what, some)


def applied(database: Database) -> list[tuple[str, str, int]]:
    return list(retention.apply(database.everywhere()))


def sound(database: Database) -> None:
    with database.read() as session:
        assert list(history.violations(session)) == []


class TestRules:
    def test_without_any_nothing_is_dropped(self, database: Database, lived: Callable[..., str]) -> None:
        lived(10_000)
        assert applied(database) == []

    def test_one_is_set_changed_and_lifted(self, database: Database) -> None:
        for days, rules in ((30.0, {"logs": 30.0}), (7.0, {"logs": 7.0}), (None, {})):
            with database.write() as session:
                retention.keep(session, "logs", days)
                assert retention.rules(session) == rules

    def test_one_holds_for_its_project_alone(self, database: Database, lived: Callable[..., str]) -> None:
        lived(10)
        with database.everywhere().write() as session:
            keys.ensure_project(session, "theirs")
        keep(database.of("theirs"), logs=1, jobs=1)
        assert applied(database) == []

    def test_what_would_go_is_what_goes(self, database: Database, lived: Callable[..., str]) -> None:
        for days in (1, 5, 9):
            lived(days)
        keep(database, logs=3, weights=7)
        with database.read() as session:
            assert retention.due(session, retention.rules(session)) == {"logs": 2, "weights": 1}
        assert applied(database) == [("default", "logs", 2), ("default", "weights", 1)]
        with database.read() as session:
            assert retention.due(session, retention.rules(session)) == {"logs": 0, "weights": 0}

    def test_more_than_a_batch_is_dropped_whole(
        self,
        database: Database,
        lived: Callable[..., str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(retention, "BATCH", 2)
        old = [lived(9) for _ in range(5)]
        with database.write() as session:
            # The first batch is needed: what comes after it is dropped all the same.
            for job in old[:2]:
                jobs.create(session, EvaluateSpec(dataset="digits", job=job), 3)
        keep(database, jobs=3)
        assert applied(database) == [("default", "jobs", 3)]


class TestLogs:
    def test_they_go_and_the_other_events_stay(self, database: Database, lived: Callable[..., str]) -> None:
        old, young = lived(9), lived(1)
        keep(database, logs=3)
        applied(database)
        with database.read() as session:
            left = {job: [event.kind for event in jobs.events_after(session, job, 0)] for job in (old, young)}
            assert left[old] == ["state", "state", "state"]
            assert left[young].count("log") == 3
            assert session.get_one(Job, old).log_dropped_at is not None
        sound(database)

    def test_an_event_that_is_lost_otherwise_is_still_found(
        self, database: Database, lived: Callable[..., str]
    ) -> None:
        job = lived(1)
        with database.write() as session:
            session.query(Event).filter(Event.job_id == job, Event.kind == "log").delete()
        with database.read() as session:
            assert [one.promise for one in history.violations(session)] == [
                "events are numbered without a gap"
            ]


class TestWeights:
    def test_nothing_refers_to_them_and_the_job_answers_no_more(
        self, database: Database, store: LocalStore, lived: Callable[..., str]
    ) -> None:
        job = lived(9)
        keep(database, weights=3)
        applied(database)
        assert references.references(database) == []
        with database.read() as session:
            assert session.get_one(Job, job).results[0].correct == 90
            assert list(history.violations(session, store)) == []

    def test_they_stay_while_a_job_is_to_measure_them(
        self, database: Database, lived: Callable[..., str]
    ) -> None:
        job = lived(9)
        with database.write() as session:
            waiting = jobs.create(session, EvaluateSpec(dataset="digits", job=job), 3).id
        keep(database, weights=3)
        assert applied(database) == []
        with database.write() as session:
            jobs.cancel(session, waiting)
        assert applied(database) == [("default", "weights", 1)]


class TestJobs:
    def test_they_are_deleted(self, database: Database, lived: Callable[..., str]) -> None:
        old, young = lived(9), lived(1)
        keep(database, jobs=3)
        applied(database)
        with database.read() as session:
            assert session.scalars(select(Job.id)).all() == [young]
            assert deletion.deleted_at(session, Job, old) is not None
        sound(database)

    def test_those_that_are_not_over_stay(self, database: Database, queued: Callable[..., str]) -> None:
        job = queued()
        with database.write() as session:
            session.execute(update(Job).where(Job.id == job).values(created_at=0))
        keep(database, jobs=0)
        assert applied(database) == []


class TestSpokenFor:
    def test_those_of_a_study_stay(self, database: Database, lived: Callable[..., str]) -> None:
        job = lived(9)
        with database.write() as session:
            session.add(Study(id="5" * 32, spec={}, finished_at=1.0))
            session.flush()
            session.add(StudyJob(study_id="5" * 32, key="k", position=0, kind="train", body={}, job_id=job))
        keep(database, logs=1, weights=1, jobs=1)
        assert applied(database) == []

    def test_those_that_made_or_measured_a_tagged_ticket_stay(
        self, database: Database, lived: Callable[..., str], crew: Any
    ) -> None:
        with database.write() as session:
            spec = FindSpec(architecture="mlp_1", dataset="digits", seeds=[0, 1]).complete("mlp")
            find = jobs.create(session, spec, 3).id
        crew.work()
        with database.write() as session:
            tagged, plain = session.scalars(select(Ticket.id)).all()
            tickets.tag(session, tagged, ["paper"])
            aged(session, find, 9)
        kept, dropped = lived(9, tagged), lived(9, plain)
        keep(database, jobs=3)
        assert applied(database) == [("default", "jobs", 1)]
        with database.read() as session:
            assert jobs.get(session, dropped) is None
            assert None not in (jobs.get(session, kept), jobs.get(session, find))


class TestRequests:
    def test_old_idempotency_keys_go_unless_one_of_that_name_is_young(self, database: Database) -> None:
        with database.write() as session:
            for key, scope in (("old", "POST /find"), ("both", "POST /find"), ("both", "POST /train")):
                idempotency.remember(session, key, scope, "f" * 64, Made(202, "r"))
            younger = IdempotencyKey.scope == "POST /train"
            session.execute(update(IdempotencyKey).where(~younger).values(created_at=0))
        keep(database, keys=1)
        assert applied(database) == [("default", "keys", 1)]
        with database.read() as session:
            assert session.scalars(select(IdempotencyKey.key)).all() == ["both", "both"]

    def test_old_entries_of_the_audit_log_go_and_that_is_entered(self, database: Database) -> None:
        with database.write() as session:
            for n in range(3):
                audit.enter(session, Act("key", "POST", "/find", str(n)))
            session.execute(update(AuditEntry).where(AuditEntry.resource != "2").values(created_at=0))
        keep(database, audit=1)
        assert applied(database) == [("default", "audit", 2)]
        with database.read() as session:
            entries = session.scalars(select(AuditEntry).order_by(AuditEntry.created_at)).all()
            assert [(one.by, one.route, one.resource) for one in entries] == [
                ("key", "/find", "2"),
                ("retention", "audit", "2 of audit"),
            ]
            assert session.scalar(select(func.count()).select_from(AuditEntry)) == 2
