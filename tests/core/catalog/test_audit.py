"""The audit log: what is entered with a change, and only with it."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import select

from core.catalog import audit, keys
from core.catalog.audit import Act
from core.catalog.database import Database
from core.catalog.tables import AuditEntry, Study

ACT = Act("key", "POST", "/studies", None, "4b1d4b1d4b1d", "77aa" * 8, "192.0.2.7")


@pytest.fixture
def watched(database: Database) -> Database:
    return database.witnessed(partial(audit.enter, act=ACT))


def entries(database: Database) -> list[AuditEntry]:
    with database.everywhere().read() as session:
        return list(session.scalars(select(AuditEntry).order_by(AuditEntry.created_at)))


class TestWitness:
    def test_a_change_has_its_entry_which_names_what_was_made(self, watched: Database) -> None:
        with watched.write() as session:
            session.add(Study(id="6" * 32, spec={}))
            audit.about(session, "6" * 32)
        (entry,) = entries(watched)
        told = {name: getattr(entry, name) for name in ("project", "by", "key_id", "method", "route")}
        assert told == {
            "project": "default",
            "by": "key",
            "key_id": "4b1d4b1d4b1d",
            "method": "POST",
            "route": "/studies",
        }
        assert (entry.resource, entry.outcome, entry.address) == ("6" * 32, "done", "192.0.2.7")

    def test_what_is_rolled_back_has_none(self, watched: Database) -> None:
        with pytest.raises(ZeroDivisionError), watched.write() as session:
            session.add(Study(id="6" * 32, spec={}))
            1 / 0  # noqa: B018
        assert entries(watched) == []

    def test_nor_what_changed_nothing_nor_what_only_reads(self, watched: Database) -> None:
        with watched.write() as session:
            audit.nothing(session)
        with watched.read() as session:
            session.scalars(select(Study)).all()
        assert entries(watched) == []

    def test_where_the_entry_cannot_be_written_nothing_is_changed(self, database: Database) -> None:
        def fails(_: object) -> None:
            raise OSError("no")

        with pytest.raises(OSError, match="no"), database.witnessed(fails).write() as session:
            session.add(Study(id="6" * 32, spec={}))
        with database.read() as session:
            assert session.get(Study, "6" * 32) is None


class TestEnterAll:
    def test_each_act_names_what_it_made(self, database: Database) -> None:
        other = Act("anyone", "POST", "/train", request_id="another")
        with database.write() as session:
            audit.enter_all(session, [(ACT, "6" * 32), (other, "7" * 32)])
        told = {(entry.resource, entry.by, entry.request_id, entry.project) for entry in entries(database)}
        assert told == {("6" * 32, "key", "77aa" * 8, "default"), ("7" * 32, "anyone", "another", "default")}

    def test_of_none_nothing_is_entered(self, database: Database) -> None:
        with database.write() as session:
            audit.enter_all(session, [])
        assert entries(database) == []


class TestPage:
    def test_it_is_the_projects_newest_first_and_strangers_are_only_the_operators(
        self, database: Database
    ) -> None:
        with database.everywhere().write() as session:
            keys.ensure_project(session, "theirs")
            audit.enter(session, Act("stranger", "GET", "/jobs"), "unauthenticated")
        for project, resource in (("default", "a"), ("theirs", "b"), ("default", "c")):
            with database.of(project).write() as session:
                audit.enter(session, Act("key", "POST", "/find", resource))
        with database.read() as session:
            first = audit.page(session, 1)
            rest = audit.page(session, 1, first.next)
            assert [row.resource for row in (*first.rows, *rest.rows)] == ["c", "a"]
            assert rest.next is None
            assert [row.resource for row in audit.page(session, 9, resource="a").rows] == ["a"]
            assert audit.page(session, 9, resource="b").rows == []
        with database.everywhere().read() as session:
            assert len(audit.page(session, 9).rows) == 4
