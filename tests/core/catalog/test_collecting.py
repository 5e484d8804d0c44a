"""What nothing names goes, in a directory and in a bucket; what is named, young, or may be in the making stays."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.catalog import attempts, claims, jobs
from core.catalog.artifacts import ArtifactStore, LocalStore
from core.catalog.bucket import Bucket
from core.catalog.bucket_store import BucketStore
from core.catalog.collecting import collect
from core.catalog.database import Database
from core.catalog.references import references
from core.catalog.trainings import SharedTrainings
from core.jobs.outcome import Outcome, RunRecord
from core.jobs.specs import TrainSpec

DAY = 86_400.0


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(params=["directory", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "directory":
        return LocalStore(tmp_path / "artifacts")
    return BucketStore(Bucket(request.getfixturevalue("bucket_url")), tmp_path / "cache", 1 << 20)


@pytest.fixture
def days_later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Has the collector come so much later."""

    def wait(days: float) -> None:
        then = time.time() + days * DAY
        monkeypatch.setattr("core.catalog.collecting.time.time", lambda: then)

    return wait


def put(store: ArtifactStore, data: bytes) -> str:
    with store.stage() as staged:
        staged.write(data)
        return staged.commit()


def kept(store: ArtifactStore) -> set[str]:
    return {one.digest for one in store.stored()}


@pytest.fixture
def finish(database: Database, spec: TrainSpec) -> Callable[[str], str]:
    """Has a job succeed whose training left these weights; its id."""

    def end(weights: str) -> str:
        run = RunRecord("mlp_1", "digits", None, 0, 0, None, 0.7, 0, 12, 1.5, [], {}, weights)
        with database.write() as session:
            job = jobs.create(session, spec, 3)
            claims.claim(session, job.id, "w", 60)
            assert attempts.succeed(session, job.id, 1, Outcome(runs=[run]), [])
        return job.id

    return end


class TestCollect:
    def test_what_is_named_stays_and_what_is_not_goes(
        self,
        database: Database,
        store: ArtifactStore,
        finish: Callable[[str], str],
        days_later: Callable[[float], None],
    ) -> None:
        named, orphan = put(store, b"named"), put(store, b"orphan")
        finish(named)
        days_later(8)
        told = collect(database, store, 7 * DAY, dry_run=True)
        assert (told.digests, told.bytes, kept(store)) == ([orphan], 6, {named, orphan})
        assert collect(database, store, 7 * DAY) == told
        assert kept(store) == {named}
        assert collect(database, store, 7 * DAY).digests == []

    def test_the_grace_is_kept_and_is_an_hour_at_least(
        self, database: Database, store: ArtifactStore, days_later: Callable[[float], None]
    ) -> None:
        orphan = put(store, b"orphan")
        days_later(6)
        assert collect(database, store, 7 * DAY).digests == []
        days_later(-6 + 0.9 / 24)
        assert collect(database, store, 0).digests == []
        days_later(1.2 / 24)
        assert collect(database, store, 0).digests == [orphan]

    def test_nothing_goes_that_was_written_since_a_running_attempt_began(
        self,
        database: Database,
        store: ArtifactStore,
        queued: Callable[..., str],
        days_later: Callable[[float], None],
    ) -> None:
        job = queued()
        with database.write() as session:
            claims.claim(session, job, "w", 60)
        made = put(store, b"of a job that takes a month")
        days_later(30)
        assert collect(database, store, DAY).digests == []
        with database.write() as session:
            attempts.lose(session, job, 1, "its host burned down")
        assert collect(database, store, DAY).digests == [made]

    def test_what_was_named_meanwhile_stays(
        self,
        database: Database,
        store: ArtifactStore,
        finish: Callable[[str], str],
        days_later: Callable[[float], None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        weights, looks = put(store, b"weights"), []

        def look(database: Database) -> list[object]:
            looks.append(references(database))
            if len(looks) == 1:
                finish(weights)
            return looks[-1]

        days_later(8)
        monkeypatch.setattr("core.catalog.collecting.references", look)
        assert collect(database, store, DAY).digests == []
        assert kept(store) == {weights}

    def test_what_is_stored_again_meanwhile_stays(
        self, database: Database, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        orphan = put(store, b"orphan")
        assert not store.discard(orphan, time.time() - 60)
        assert kept(store) == {orphan}

    def test_a_training_goes_with_the_last_job_that_has_it(
        self,
        database: Database,
        store: ArtifactStore,
        finish: Callable[[str], str],
        days_later: Callable[[float], None],
    ) -> None:
        shared, lone = put(store, b"shared"), put(store, b"lone")
        trainings = SharedTrainings(store, "vision")
        trainings.publish("ab" * 32, shared, {"steps": 1})
        trainings.publish("cd" * 32, lone, {"steps": 2})
        finish(shared)
        days_later(8)
        told = collect(database, store, DAY)
        assert told.trainings == ["vision/" + "cd" * 32]
        assert lone in told.digests
        assert len(told.digests) == 2, "its record and its weights"
        assert trainings.find("ab" * 32) is not None
        assert trainings.find("cd" * 32) is None
