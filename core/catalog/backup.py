"""An installation in a folder, and back. First the database's snapshot, then what it names, which never changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import make_url

from core.catalog import sqlite
from core.catalog.artifacts import ArtifactMissing, ArtifactStore, LocalStore
from core.catalog.database import Database
from core.catalog.references import references, saved_states, unfinished_jobs
from core.catalog.scratch import Scratch
from core.catalog.stores import store_of
from core.catalog.trainings import named_by_trainings
from core.catalog.verification import copy
from core.settings import Settings

DATABASE = "elasticket.db"
ARTIFACTS = "artifacts"

Progress = Callable[[int, int], None]


class NotPossible(RuntimeError):
    """There is something in the way of a backup, or of its restoration."""


def backup(settings: Settings, target: Path, progress: Progress = lambda *_: None) -> list[str]:
    """Save a running or stopped installation in `target`; digests that are missing or damaged, and so not saved.

    What an earlier backup saved there stays, and only what is new is copied. Of PostgreSQL only what the database
    names is saved: its own tools dump it, before.
    """
    store, kept = store_of(settings), LocalStore(target / ARTIFACTS)
    if target.exists() and not target.is_dir():
        raise NotPossible(f"{target} is not a directory")
    if target.is_dir() and any(target.iterdir()) and not kept.root.is_dir():
        raise NotPossible(f"{target} is neither empty nor an earlier backup")
    kept.root.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".database-", dir=target) as folder:
        snapshot = _snapshot(settings, Path(folder) / DATABASE)
        with closing_database(snapshot or settings.database) as database:
            named = {reference.digest for reference in references(database)} | named_by_trainings(store)
            lost = _copy_all(store, kept, sorted(named), progress)
            _copy_trainings(store, kept)
            _save_scratch(Scratch(settings), Scratch.of(kept.root), database)
        if snapshot:
            _publish(Path(folder) / DATABASE, target / DATABASE)
    return lost


def restore(source: Path, settings: Settings, progress: Progress = lambda *_: None) -> list[str]:
    """Put a backup where there is no installation yet; digests that are damaged in it, and so not restored.

    The database comes last: until it is there, an interrupted restoration can simply be repeated.
    """
    kept, store = LocalStore(source / ARTIFACTS), store_of(settings)
    path = _sqlite_file(settings)
    if not kept.root.is_dir() or (path is not None and not (source / DATABASE).is_file()):
        raise NotPossible(
            f"{source} is not a backup{'' if path is None else ' of an installation on SQLite'}"
        )
    if path is not None and path.exists():
        raise NotPossible(f"there is a database already: {path}; restore into another home, or move it away")
    digests = sorted(one.digest for one in kept.stored())
    store.root.mkdir(parents=True, exist_ok=True)
    lost = _copy_all(kept, store, digests, progress)
    _copy_trainings(kept, store)
    _restore_scratch(Scratch.of(kept.root), Scratch(settings))
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".database-", dir=path.parent) as folder:
            shutil.copyfile(source / DATABASE, Path(folder) / DATABASE)
            _publish(Path(folder) / DATABASE, path)
    return lost


@contextmanager
def closing_database(url: str) -> Iterator[Database]:
    """An open database."""
    database = Database(url).everywhere()
    try:
        yield database
    finally:
        database.close()


def _sqlite_file(settings: Settings) -> Path | None:
    url = make_url(settings.database)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _snapshot(settings: Settings, path: Path) -> str | None:
    """Copy an SQLite database with its own means, whoever is writing to it; the copy's URL."""
    live = _sqlite_file(settings)
    if live is None:
        return None
    if not live.exists():
        raise NotPossible(f"there is no database {live}")
    driver = sqlite.driver()
    with closing(driver.connect(str(live))) as source, closing(driver.connect(str(path))) as target:
        source.backup(target)
        # One file: there is nothing beside it that could be forgotten.
        target.execute("PRAGMA journal_mode = DELETE")
    return f"sqlite:///{path}"


def _copy_all(
    source: ArtifactStore, target: ArtifactStore, digests: list[str], progress: Progress
) -> list[str]:
    lost = []
    for number, digest in enumerate(digests, 1):
        if not target.has_intact(digest):
            try:
                copy(source, target, digest)
            except ArtifactMissing:
                lost.append(digest)
        progress(number, len(digests))
    return lost


def _copy_trainings(source: ArtifactStore, target: ArtifactStore) -> None:
    """The pointers to finished trainings."""
    for name, _ in source.pointers():
        digest = source.pointed(name)
        if digest is not None:
            target.point(name, digest)


def _save_scratch(source: Scratch, target: Scratch, database: Database) -> None:
    """What unfinished jobs go on from. A state that was superseded meanwhile costs the job some of its progress."""
    for job_id in list(target.everywhere()):
        target.remove(job_id)
    for job_id in unfinished_jobs(database):
        source.copy_upload(target, job_id)
    for job_id, digest in saved_states(database):
        with suppress(ArtifactMissing):
            copy(source.states(job_id), target.states(job_id), digest)


def _restore_scratch(source: Scratch, target: Scratch) -> None:
    for job_id in source.everywhere():
        source.copy_upload(target, job_id)
        for one in source.states(job_id).stored():
            with suppress(ArtifactMissing):
                copy(source.states(job_id), target.states(job_id), one.digest)


def _publish(part: Path, place: Path) -> None:
    """Rename a finished database into place, so that it is all there or not at all."""
    for suffix in ("-wal", "-shm"):
        part.with_name(part.name + suffix).unlink(missing_ok=True)
    for path in (part, place.parent):
        if path == place.parent:
            part.replace(place)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
