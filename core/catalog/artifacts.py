"""Content-addressed artifacts: a key is the SHA-256 of the bytes, and nothing else is ever a key."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.crashpoints import crashpoint

DIGEST = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20
_TRUSTED_SECONDS = 600.0
"""A download in thousands of ranges reads one file as often: it is hashed again after this long."""
_MOST_TRUSTED = 4096

UPLOAD = "upload"
"""The file in an import job's scratch folder that it is to import."""
STAGED, _CONDEMNED, _POINTERS = ".staged-", ".condemned-", "trainings"


class ArtifactMissing(LookupError):
    """The store has no artifact of this digest."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"no artifact {digest}")
        self.digest = digest


class ArtifactDamaged(ArtifactMissing):
    """The file is there, but its bytes no longer have the digest they are filed under: the artifact is not."""

    def __init__(self, digest: str, found: str) -> None:
        super().__init__(digest)
        self.found = found
        self.args = (f"artifact {digest} is damaged: its file has digest {found}",)


class StoreAway(ConnectionError):
    """The store is on another machine, and cannot be reached or refuses us: the same may work later."""


class DiskFull(OSError):
    """There is no room for an artifact: the disk, or a quota, is full."""

    def __init__(self, cause: OSError, root: Path) -> None:
        super().__init__(cause.errno, cause.strerror)
        self.root = root

    def __str__(self) -> str:
        return f"disk full: {self.root}"


@dataclass(frozen=True)
class Stored:
    """An artifact as a store lists it: `size` in bytes, `written` in seconds since 1970, lately if it was again."""

    digest: str
    size: int
    written: float


class Staged(Protocol):
    """Bytes on their way in: written once, hashed on the way, and readable at `path` before they are committed."""

    path: Path

    @property
    def digest(self) -> str:
        """SHA-256 of what was written so far."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Append bytes."""

    def flush(self) -> None:
        """Make everything written so far readable at `path`."""

    def commit(self) -> str:
        """Make the artifact durable and return its digest."""


class ArtifactStore(Protocol):
    """Where artifacts lie. The same bytes twice are one. A pointer is a name that means one, later maybe another."""

    root: Path
    """A directory of this machine, for what is kept beside the artifacts; they may lie elsewhere."""

    def stage(self) -> AbstractContextManager[Staged]:
        """Open a new artifact; what is not committed when the block ends is removed."""

    def ready(self) -> None:
        """Raise OSError where nothing can be stored now."""

    def publish(self, digest: str) -> None:
        """Make durable what a process that reaches no network has left at `path`; raises ArtifactMissing."""

    def place(self, digest: str) -> Path:
        """Where `path` will find it, nothing being fetched; raises ArtifactMissing where that can be told at once."""

    def path(self, digest: str) -> Path:
        """A local file with the artifact's bytes; raises ArtifactMissing."""

    def verified(self, digest: str) -> Path:
        """The same, after hashing every byte; raises ArtifactMissing or ArtifactDamaged."""

    def intact(self, digest: str) -> Path:
        """The same, but a file hashed lately, and not written to since, is not hashed again."""

    def holding(self, digests: Iterable[str]) -> AbstractContextManager[None]:
        """Have their files verified, and stay where they are while the block lasts."""

    def blocks(self, digest: str) -> Iterator[bytes]:
        """What is kept for good, as it is read: not a copy. Raises ArtifactMissing."""

    def measure(self, digest: str) -> int:
        """Bytes of what is kept for good; raises ArtifactMissing."""

    def has_intact(self, digest: str) -> bool:
        """Whether the artifact is here, every byte of it."""

    def address(self, digest: str, name: str, media_type: str) -> str | None:
        """An address from which whoever knows it may download the artifact for a while, as a file of that name.

        None where there is none; raises ArtifactMissing or ArtifactDamaged.
        """

    def delete(self, digest: str) -> None:
        """Remove an artifact; a missing one is no error."""

    def discard(self, digest: str, written_before: float) -> bool:
        """Remove an artifact unless it was written, or written again, since then; whether it was removed."""

    def stored(self) -> Iterator[Stored]:
        """Every artifact."""

    def size(self) -> int:
        """Bytes of all that is kept, of unfinished jobs and on its way in too."""

    def unfinished(self) -> list[str]:
        """Names of what was begun and is not finished."""

    def sweep(self, older_than: float) -> None:
        """Remove what processes that were killed left half written, `older_than` seconds ago or more."""

    def point(self, name: str, digest: str) -> None:
        """Have a name mean an artifact."""

    def pointed(self, name: str) -> str | None:
        """What a name means; None where it means nothing."""

    def pointers(self) -> Iterator[tuple[str, float]]:
        """Every name, and since when it means what it does."""

    def unpoint(self, name: str) -> None:
        """Have a name mean nothing."""


class _StagedFile:
    def __init__(self, store: LocalStore, path: Path, descriptor: int) -> None:
        self._store = store
        self._hash = hashlib.sha256()
        self._file = os.fdopen(descriptor, "wb", buffering=_CHUNK)
        self.path = path

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes | memoryview, /) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def commit(self) -> str:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._store.passes("synced")
        self._store.adopt(self.path, self.digest)
        return self.digest

    def discard(self) -> None:
        # On a full disk closing flushes and fails once more.
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)


class LocalStore:
    """Artifacts in a local directory: `ab/abcd…`, read-only, renamed into place after an fsync.

    `holds` is what they are, by its name among `core.crashpoints.STORES`.
    """

    def __init__(self, root: Path, holds: str = "artifact") -> None:
        self.root = root
        self._holds = holds
        self._trusted: dict[str, tuple[float, tuple[int, ...]]] = {}

    def passes(self, moment: str) -> None:
        """A file on its way in has come so far."""
        crashpoint(f"{self._holds}.{moment}")

    @contextmanager
    def stage(self) -> Iterator[_StagedFile]:
        """Open a new artifact; what is not committed when the block ends is removed."""
        with self._room():
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=STAGED, dir=self.root)
            staged = _StagedFile(self, Path(name), descriptor)
            self.passes("begun")
            try:
                yield staged
            finally:
                staged.discard()

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Say which disk is full: the system does not."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT) and not isinstance(error, DiskFull):
                raise DiskFull(error, self.root) from error
            raise

    def adopt(self, staged: Path, digest: str) -> None:
        """Rename a synced file to its digest, and sync the directories that now name it."""
        target = self._place(digest)
        target.parent.mkdir(exist_ok=True)
        staged.chmod(0o444)
        staged.rename(target)
        self.passes("renamed")
        for directory in (target.parent, self.root):
            _sync_directory(directory)
        self.passes("published")

    def ready(self) -> None:
        with self.stage() as staged:
            # A full disk still takes an empty file.
            staged.write(b" ")
            staged.flush()

    def publish(self, digest: str) -> None:
        self.path(digest)

    def place(self, digest: str) -> Path:
        return self.path(digest)

    def path(self, digest: str) -> Path:
        place = self._place(digest)
        if not place.is_file():
            raise ArtifactMissing(digest)
        return place

    def verified(self, digest: str) -> Path:
        place = self.path(digest)
        with place.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != digest:
            raise ArtifactDamaged(digest, found)
        return place

    def intact(self, digest: str) -> Path:
        place = self.path(digest)
        now, as_it_is = time.monotonic(), _signature(place)
        hashed, as_it_was = self._trusted.get(digest, (-math.inf, ()))
        if as_it_is != as_it_was or now - hashed > _TRUSTED_SECONDS:
            self._trusted.pop(digest, None)
            self.verified(digest)
            if len(self._trusted) >= _MOST_TRUSTED:
                self._trusted.clear()
            self._trusted[digest] = (now, as_it_is)
        return place

    @contextmanager
    def holding(self, digests: Iterable[str]) -> Iterator[None]:
        for digest in digests:
            self.verified(digest)
        yield

    def blocks(self, digest: str) -> Iterator[bytes]:
        with self.path(digest).open("rb") as stream:
            while block := stream.read(_CHUNK):
                yield block

    def measure(self, digest: str) -> int:
        return self.path(digest).stat().st_size

    def has_intact(self, digest: str) -> bool:
        try:
            self.intact(digest)
        except ArtifactMissing:
            return False
        return True

    def address(self, digest: str, name: str, media_type: str) -> str | None:
        return None

    def delete(self, digest: str) -> None:
        self._place(digest).unlink(missing_ok=True)

    def discard(self, digest: str, written_before: float) -> bool:
        # Looked at under a name that nobody writes to: whoever stores the bytes again now makes a new file.
        aside = self.root / f"{_CONDEMNED}{digest}"
        with suppress(FileNotFoundError):
            self._place(digest).rename(aside)
            if aside.stat().st_mtime < written_before:
                aside.unlink()
                return True
            aside.rename(self._place(digest))
        return False

    def stored(self) -> Iterator[Stored]:
        for folder in self.root.glob("[0-9a-f][0-9a-f]"):
            with os.scandir(folder) as entries:
                for entry in entries:
                    if DIGEST.fullmatch(entry.name):
                        with suppress(FileNotFoundError):
                            found = entry.stat()
                            yield Stored(entry.name, found.st_size, found.st_mtime)

    def size(self) -> int:
        total = 0
        for folder, _, names in os.walk(self.root):
            for name in names:
                with suppress(FileNotFoundError):
                    total += Path(folder, name).stat().st_size
        return total

    def unfinished(self) -> list[str]:
        return sorted(path.name for path in self.root.glob(f"{STAGED}*"))

    def sweep(self, older_than: float) -> None:
        for staged in self.root.glob(f"{STAGED}*"):
            with suppress(FileNotFoundError):
                if time.time() - staged.stat().st_mtime >= older_than:
                    staged.unlink()
        for aside in self.root.glob(f"{_CONDEMNED}*"):
            # Its collector was killed between two names: it is not known to be old.
            with suppress(FileNotFoundError, FileExistsError):
                self._place(aside.name.removeprefix(_CONDEMNED)).hardlink_to(aside)
            aside.unlink(missing_ok=True)

    def point(self, name: str, digest: str) -> None:
        target = self.root / _POINTERS / name
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent)
        with os.fdopen(descriptor, "w") as file:
            file.write(digest)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).rename(target)

    def pointed(self, name: str) -> str | None:
        with suppress(FileNotFoundError):
            return (self.root / _POINTERS / name).read_text()
        return None

    def pointers(self) -> Iterator[tuple[str, float]]:
        folder = self.root / _POINTERS
        for path in folder.rglob("*"):
            with suppress(FileNotFoundError):
                if DIGEST.fullmatch(path.name):
                    yield str(path.relative_to(folder)), path.stat().st_mtime

    def unpoint(self, name: str) -> None:
        (self.root / _POINTERS / name).unlink(missing_ok=True)

    def _place(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):
            raise ValueError(f"not a SHA-256 digest: {digest!r}")
        return self.root / digest[:2] / digest


def _signature(place: Path) -> tuple[int, ...]:
    """What changes when anything writes to a file, or puts another in its place."""
    found = place.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
