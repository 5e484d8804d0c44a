"""A change and what follows from it, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import FromClause, Insert, Update, bindparam, event, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.catalog.chain import Chain
from core.catalog.database import Database
from core.catalog.tables import Base, Event, Job

JOBS, EVENTS = Base.metadata.tables["jobs"], Base.metadata.tables["events"]


def note(job: FromClause) -> Insert:
    data = bindparam("note", None, EVENTS.c.data.type)
    row = select(job.c.id, job.c.last_event, job.c.attempt, JOBS.c.kind, data).where(JOBS.c.id == job.c.id)
    names = ("job_id", "seq", "attempt", "kind", "data")
    return insert(EVENTS).from_select(names, row, include_defaults=False)


def rename(job: FromClause) -> Update:
    first = (EVENTS.c.job_id == job.c.id, EVENTS.c.seq == 1)
    return update(EVENTS).where(*first).values(kind=bindparam("new_kind"))


CHAIN = Chain(
    update(JOBS)
    .where(JOBS.c.id == bindparam("job"), JOBS.c.attempt == 0)
    .values(attempt=7, last_event=JOBS.c.last_event + bindparam("step"))
    .returning(JOBS.c.id, JOBS.c.attempt, JOBS.c.last_event, JOBS.c.spec),
    note,
    rename,
)


def given(job: str, **other: Any) -> dict[str, Any]:
    return {"job": job, "step": 1, "note": {"é": [1, None]}, "new_kind": "renamed", **other}


def told(database: Database, job: str) -> list[tuple[int, int, str, Any]]:
    with database.read() as session:
        rows = session.scalars(select(Event).where(Event.job_id == job).order_by(Event.seq))
        return [(row.seq, row.attempt, row.kind, row.data) for row in rows]


class TestChain:
    def test_returns_the_row_as_it_is_now_and_does_what_follows(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job, other = queued(), queued()
        before = told(database, other)
        with database.write() as session:
            row = CHAIN.do(session, given(job))
            assert row is not None
            spec = session.get_one(Job, job).spec
            assert row._mapping == {"id": job, "attempt": 7, "last_event": 2, "spec": spec}
        assert told(database, job) == [
            (1, 0, "renamed", {"state": "queued"}),
            (2, 7, "train", {"é": [1, None]}),
        ]
        assert told(database, other) == before

    def test_changes_nothing_where_there_is_no_row_to_change(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job = queued()
        with database.write() as session:
            assert CHAIN.do(session, given(job)) is not None
        before = told(database, job)
        with database.write() as session:
            assert CHAIN.do(session, given(job)) is None
            assert CHAIN.do(session, given("0" * 32)) is None
        assert told(database, job) == before

    def test_what_cannot_follow_takes_the_change_with_it(
        self, database: Database, queued: Callable[..., str]
    ) -> None:
        job = queued()
        before = told(database, job)
        # Event 1 is there already.
        with pytest.raises(IntegrityError), database.write() as session:
            CHAIN.do(session, given(job, step=0))
        with database.read() as session:
            assert session.get_one(Job, job).attempt == 0
        assert told(database, job) == before

    def test_what_does_not_read_the_row_is_refused_as_it_would_be_done_without_one(self) -> None:
        change = update(JOBS).where(JOBS.c.id == bindparam("job")).values(attempt=7).returning(JOBS.c.id)
        alone = update(EVENTS).where(EVENTS.c.job_id == bindparam("job")).values(kind="renamed")
        with pytest.raises(ValueError, match="does not depend"):
            Chain(change, lambda _: alone)

    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    def test_is_one_question_to_postgresql(self, database: Database, queued: Callable[..., str]) -> None:
        job = queued()
        asked: list[str] = []
        event.listen(database.engine, "before_cursor_execute", lambda *about: asked.append(about[2]))
        with database.write() as session:
            CHAIN.do(session, given(job))
        assert len(asked) == 1
