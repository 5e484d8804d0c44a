"""How much a project may have."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.catalog import attempts, claims, jobs, keys, quotas, studies
from core.catalog.artifacts import LocalStore
from core.catalog.database import Database
from core.catalog.quotas import ProjectFull, Quota, Sizes, TooManyWaiting
from core.jobs.outcome import Outcome, RunRecord
from core.jobs.specs import ImportSpec


def limit(database: Database, **quota: int) -> None:
    with database.write() as session:
        assert quotas.set_quota(session, "default", Quota(**quota))


def ask(database: Database, spec: Any) -> None:
    with database.write() as session:
        jobs.create(session, spec, 3)
        quotas.check(session)


class TestWaiting:
    def test_without_a_quota_any_number_may(self, database: Database, spec: Any) -> None:
        for _ in range(3):
            ask(database, spec)

    def test_one_too_many_is_refused_and_not_asked_for(self, database: Database, spec: Any) -> None:
        limit(database, waiting=2)
        ask(database, spec)
        ask(database, spec)
        with pytest.raises(TooManyWaiting, match="3 jobs of the project would wait then, of 2 that may"):
            ask(database, spec)
        with database.read() as session:
            assert quotas.waiting(session) == 2

    def test_what_has_begun_waits_no_longer(
        self, database: Database, spec: Any, queued: Callable[..., str]
    ) -> None:
        limit(database, waiting=1)
        job = queued()
        with database.write() as session:
            claims.claim(session, job, "w", 60)
        ask(database, spec)

    def test_those_to_come_of_an_open_study_count(
        self, database: Database, enter: Callable[..., str]
    ) -> None:
        study = enter()
        with database.read() as session:
            entered = studies.get(session, study)
            assert entered is not None
            assert quotas.waiting(session) == len(entered.jobs) > 5
        with database.write() as session:
            studies.advance(session, study, 3)
        with database.read() as session:
            assert quotas.waiting(session) == len(entered.jobs)

    def test_others_do_not(self, database: Database, spec: Any, queued: Callable[..., str]) -> None:
        limit(database, waiting=0)
        with database.everywhere().write() as session:
            keys.ensure_project(session, "theirs")
        ask(database.of("theirs"), spec)

    def test_two_at_once_do_not_exceed_it(self, database: Database, spec: Any) -> None:
        limit(database, waiting=3)
        refused = []

        def several() -> None:
            for _ in range(5):
                try:
                    ask(database, spec)
                except TooManyWaiting:
                    refused.append(1)

        threads = [threading.Thread(target=several) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with database.read() as session:
            assert (quotas.waiting(session), len(refused)) == (3, 12)


class TestBytes:
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore(tmp_path / "artifacts")

    @pytest.fixture
    def trained(self, database: Database, store: LocalStore, queued: Callable[..., str]) -> str:
        """Two trainings that came to the same 7 bytes, and one whose file is lost."""
        with store.stage() as staged:
            staged.write(b"weights")
            digest = staged.commit()
        runs = [
            RunRecord("mlp_1", "digits", None, 0, n, None, 0.0, 0, 12, 0.1, [], {}, one)
            for n, one in enumerate((digest, digest, "ee" * 32))
        ]
        job = queued()
        with database.write() as session:
            claims.claim(session, job, "w", 60)
            attempts.succeed(session, job, 1, Outcome(runs=runs), [])
        return digest

    def test_what_is_stored_is_counted_once_by_its_content(
        self, database: Database, store: LocalStore, trained: str
    ) -> None:
        with database.read() as session:
            assert Sizes(store).stored(session) == 7
        with database.of("theirs").read() as session:
            assert Sizes(store).stored(session) == 0

    def test_it_is_counted_where_there_is_a_quota(
        self, database: Database, store: LocalStore, trained: str
    ) -> None:
        def counted() -> int:
            quotas.count(database, Sizes(store))
            with database.read() as session:
                return quotas.stored(session)

        assert counted() == 0
        limit(database, bytes=100)
        assert counted() == 7

    def test_no_file_is_asked_about_twice(self, database: Database, store: LocalStore, trained: str) -> None:
        sizes = Sizes(store)
        with database.read() as session:
            sizes.stored(session)
            store.delete(trained)
            assert sizes.stored(session) == 7

    def test_a_full_project_asks_for_nothing_more(
        self, database: Database, store: LocalStore, trained: str, spec: Any
    ) -> None:
        limit(database, bytes=7)
        quotas.count(database, Sizes(store))
        with pytest.raises(ProjectFull, match="stores 7 bytes, of 7"):
            ask(database, spec)
        limit(database, bytes=8)
        ask(database, spec)

    def test_what_comes_in_is_added_until_it_is_counted(self, database: Database, spec: Any) -> None:
        limit(database, bytes=8)
        with database.write() as session:
            quotas.grew(session, 8)
        with pytest.raises(ProjectFull):
            ask(database, spec)

    def test_what_is_too_much_is_not_added(self, database: Database) -> None:
        limit(database, bytes=8)
        with database.write() as session:
            quotas.grew(session, 5)
        with (
            pytest.raises(ProjectFull, match="stores 5 bytes, of 8 that it may: 4 more"),
            database.write() as s,
        ):
            quotas.grew(s, 4)
        with database.read() as session:
            assert quotas.stored(session) == 5

    def test_a_file_that_waits_to_be_imported_counts(self, database: Database, store: LocalStore) -> None:
        with database.write() as session:
            waits, over = (jobs.create(session, ImportSpec(sha256="ab" * 32, size=9), 2).id for _ in range(2))
            jobs.cancel(session, over)
        with database.read() as session:
            assert Sizes(store).stored(session) == 9
        with database.write() as session:
            jobs.cancel(session, waits)
        with database.read() as session:
            assert Sizes(store).stored(session) == 0
