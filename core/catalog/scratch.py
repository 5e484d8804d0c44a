"""What unfinished jobs have: the states that a training resumes from, and the file that an import is to read."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from core.catalog.artifacts import UPLOAD, ArtifactDamaged, ArtifactMissing, ArtifactStore
from core.catalog.stores import Location
from core.crashpoints import crashpoint
from core.settings import S3, Settings

if TYPE_CHECKING:
    from core.catalog.bucket import Bucket

SCRATCH = "scratch"
_BLOCK = 1 << 20


class Scratch:
    """A folder for each unfinished job, `scratch/JOB` in the artifact store, and one of the same name on this machine.

    Where artifacts lie in a directory, both are the same.
    """

    def __init__(self, settings: Settings) -> None:
        self._at(Location.of(settings))

    @classmethod
    def of(cls, directory: Path) -> Self:
        """That of an artifact store in a directory."""
        made = cls.__new__(cls)
        made._at(Location(str(directory), str(directory), 0))
        return made

    def _at(self, artifacts: Location) -> None:
        self._location = artifacts.below(SCRATCH)
        self._here = Path(artifacts.copies) / SCRATCH
        self._shared = artifacts.where.startswith(S3)

    def location(self, job_id: str) -> Location:
        """Where a job's states lie."""
        return self._location.below(job_id)

    def states(self, job_id: str) -> ArtifactStore:
        """The store of a job's states."""
        return self.location(job_id).open("state")

    def folder(self, job_id: str) -> Path:
        """A job's folder on this machine."""
        return self._here / job_id

    def lay_down(self, file: Path, job_id: str) -> None:
        """Move the file that a job is to import there so that it survives whatever happens to the machine."""
        crashpoint("upload.move")
        if self._shared:
            self.bucket(job_id).put(UPLOAD, file)
            crashpoint("upload.moved")
        else:
            _move(file, self.folder(job_id))
        crashpoint("upload.synced")

    def copy_upload(self, target: Scratch, job_id: str) -> None:
        """Have it there in another one too, if it is in this one."""
        with tempfile.TemporaryDirectory(dir=_existing(target._here)) as folder, suppress(FileNotFoundError):
            copied = Path(folder, UPLOAD)
            with copied.open("wb") as file:
                for block in _upload(self.location(job_id)):
                    file.write(block)
            shutil.rmtree(target.folder(job_id), ignore_errors=True)
            target.lay_down(copied, job_id)

    def here(self) -> Iterator[str]:
        """Jobs that have a folder on this machine."""
        if self._here.is_dir():
            yield from (folder.name for folder in self._here.iterdir())

    def everywhere(self) -> Iterator[str]:
        """Jobs that have a folder anywhere."""
        yield from (self.bucket().folders() if self._shared else self.here())

    def may_have(self, job_id: str) -> bool:
        """Whether a job may have something; a bucket is not asked."""
        return self._shared or self.folder(job_id).exists()

    def written(self, job_id: str) -> float:
        """When something was last put there for a job, in seconds since 1970; now, where it cannot be told."""
        if self._shared:
            return max((kept.written for _, kept in self.bucket(job_id).list()), default=time.time())
        with suppress(FileNotFoundError):
            return self.folder(job_id).stat().st_mtime
        return time.time()

    def remove(self, job_id: str) -> None:
        """Remove all that a job has."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)
        if self._shared:
            self.bucket(job_id).delete_all()

    def bucket(self, job_id: str | None = None) -> Bucket:
        """The objects of a job, or of all; only where artifacts lie in a bucket."""
        from core.catalog.bucket import Bucket

        return Bucket(self._location.where if job_id is None else self.location(job_id).where)


def fetch_upload(states: Location, target: Path, sha256: str) -> None:
    """Have the file that a job is to import at `target`; raises ArtifactMissing, or ArtifactDamaged.

    `states`: where its states lie; `sha256`: of what was to be sent. What was received here was hashed on its way.
    """
    if not states.where.startswith(S3):
        if not target.is_file():
            raise ArtifactMissing(sha256)
        return
    hashed = hashlib.sha256()
    try:
        with (_existing(target.parent) / target.name).open("wb") as file:
            for block in _upload(states):
                hashed.update(block)
                file.write(block)
    except FileNotFoundError:
        raise ArtifactMissing(sha256) from None
    if hashed.hexdigest() != sha256:
        raise ArtifactDamaged(sha256, hashed.hexdigest())


def _upload(states: Location) -> Iterator[bytes]:
    """The bytes of an upload; raises FileNotFoundError."""
    if not states.where.startswith(S3):
        with Path(states.where, UPLOAD).open("rb") as file:
            while block := file.read(_BLOCK):
                yield block
        return
    from core.catalog.bucket import Absent, Bucket

    try:
        yield from Bucket(states.where).blocks(UPLOAD)
    except Absent:
        raise FileNotFoundError(states.where) from None


def _existing(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _move(file: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    target = file.rename(folder / UPLOAD)
    crashpoint("upload.moved")
    for place in (target, folder, folder.parent, folder.parent.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
