"""Artifacts in a bucket. Each machine keeps copies of those that it uses, in a directory that is bounded."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from core.catalog.artifacts import (
    DIGEST,
    STAGED,
    ArtifactDamaged,
    ArtifactMissing,
    LocalStore,
    Stored,
)
from core.catalog.bucket import Absent, Bucket, Kept
from core.catalog.stores import found_digest

USED_SECONDS = 1800.0
"""A copy that was used so lately stays: whoever was told its path may be about to open it."""
_TOUCH_SECONDS = 300.0
_POINTERS = "trainings/"


class BucketStore(LocalStore):
    """A bucket's artifacts. `root` has copies, each hashed on its way there, of about `most` bytes at a time.

    Copies that are held, or were used lately, stay although there is no room for them.
    """

    def __init__(
        self, bucket: Bucket, root: Path, most: int, seconds: int = 0, holds: str = "artifact"
    ) -> None:
        super().__init__(root, holds)
        self._bucket = bucket
        self._most = most
        self._seconds = seconds
        self._checked: dict[str, str] = {}
        self._unmeasured = most

    def adopt(self, staged: Path, digest: str) -> None:
        # It is sent even if it is there: a collector takes what was not written lately.
        self._bucket.put(_key(digest), staged, digest)
        self.passes("renamed")
        self._keep(staged, digest)
        self.passes("published")

    def ready(self) -> None:
        super().ready()
        self._bucket.look()

    def publish(self, digest: str) -> None:
        self._bucket.put(_key(digest), super().verified(digest), digest)

    def place(self, digest: str) -> Path:
        return self._place(digest)

    def path(self, digest: str) -> Path:
        place = self._place(digest)
        with suppress(FileNotFoundError):
            _touch(place)
            return place
        return self._fetched(digest)

    def verified(self, digest: str) -> Path:
        try:
            return super().verified(digest)
        except ArtifactDamaged:
            return self._fetched(digest)

    @contextmanager
    def holding(self, digests: Iterable[str]) -> Iterator[None]:
        with ExitStack() as held:
            for digest in digests:
                file = held.enter_context(self.verified(digest).open("rb"))
                fcntl.flock(file, fcntl.LOCK_SH)
            yield

    def blocks(self, digest: str) -> Iterator[bytes]:
        try:
            yield from self._bucket.blocks(_key(digest))
        except Absent:
            raise ArtifactMissing(digest) from None

    def measure(self, digest: str) -> int:
        return self._head(digest).size

    def has_intact(self, digest: str) -> bool:
        try:
            self._check(digest)
        except ArtifactMissing:
            return False
        return True

    def address(self, digest: str, name: str, media_type: str) -> str | None:
        if not self._seconds:
            return None
        self._check(digest)
        said: dict[str, Any] = {
            "ResponseContentDisposition": f'attachment; filename="{name}"',
            "ResponseContentType": media_type,
        }
        return self._bucket.address("get_object", _key(digest), self._seconds, **said)

    def delete(self, digest: str) -> None:
        super().delete(digest)
        self._bucket.delete(_key(digest))

    def discard(self, digest: str, written_before: float) -> bool:
        try:
            kept = self._head(digest)
        except ArtifactMissing:
            return False
        if kept.written >= written_before:
            return False
        # Where the bucket keeps versions, exactly the one that was looked at.
        self._bucket.delete(_key(digest), kept.version)
        super().delete(digest)
        return True

    def stored(self) -> Iterator[Stored]:
        for key, kept in self._bucket.list():
            folder, _, digest = key.partition("/")
            if DIGEST.fullmatch(digest) and folder == digest[:2]:
                yield Stored(digest, kept.size, kept.written)

    def size(self) -> int:
        return sum(kept.size for _, kept in self._bucket.list())

    def unfinished(self) -> list[str]:
        return sorted(f"{key} ({upload[:12]})" for key, upload, _ in self._bucket.unfinished())

    def sweep(self, older_than: float) -> None:
        super().sweep(older_than)
        # Uploads go with the rest of what an unfinished job has.
        self._bucket.abandon(time.time() - older_than, but="scratch/")

    def point(self, name: str, digest: str) -> None:
        self._bucket.write(_POINTERS + name, digest.encode())

    def pointed(self, name: str) -> str | None:
        with suppress(Absent):
            return self._bucket.read(_POINTERS + name).decode()
        return None

    def pointers(self) -> Iterator[tuple[str, float]]:
        for key, kept in self._bucket.list(_POINTERS):
            yield key.removeprefix(_POINTERS), kept.written

    def unpoint(self, name: str) -> None:
        self._bucket.delete(_POINTERS + name)

    def _head(self, digest: str) -> Kept:
        try:
            return self._bucket.head(_key(digest))
        except Absent:
            raise ArtifactMissing(digest) from None

    def _check(self, digest: str) -> None:
        """Raise unless the bucket's bytes are right: as its server says, or, of a file in parts, hashed here once."""
        kept = self._head(digest)
        if kept.sha256 == digest or self._checked.get(digest) == kept.tag:
            return
        found = kept.sha256 or found_digest(self, digest)
        if found != digest:
            raise ArtifactDamaged(digest, found)
        self._checked[digest] = kept.tag

    def _fetched(self, digest: str) -> Path:
        """A fresh copy, whose bytes are hashed as they come; one that is not right never has its name."""
        self.root.mkdir(parents=True, exist_ok=True)
        part = self.root / f"{STAGED}{digest[:16]}-{os.urandom(4).hex()}"
        hashed = hashlib.sha256()
        try:
            with self._room(), part.open("wb") as file:
                for block in self.blocks(digest):
                    hashed.update(block)
                    file.write(block)
            if hashed.hexdigest() != digest:
                raise ArtifactDamaged(digest, hashed.hexdigest())
            self._keep(part, digest)
        finally:
            part.unlink(missing_ok=True)
        return self._place(digest)

    def _keep(self, file: Path, digest: str) -> None:
        """Make a file the copy. It needs no sync: the bucket has it, and it is hashed before it is used."""
        place = self._place(digest)
        place.parent.mkdir(exist_ok=True)
        self._unmeasured += file.stat().st_size
        file.chmod(0o444)
        file.rename(place)
        if self._unmeasured > self._most // 16:
            self._unmeasured = 0
            self._evict()

    def _evict(self) -> None:
        """Remove the copies that were used longest ago until there is room."""
        copies = []
        for one in super().stored():
            with suppress(FileNotFoundError):
                copies.append((self._place(one.digest).stat().st_atime, one))
        total = sum(one.size for _, one in copies)
        for used, one in sorted(copies, key=lambda copy: copy[0]):
            if total <= self._most or time.time() - used < USED_SECONDS:
                return
            if _free(self._place(one.digest)):
                total -= one.size


def _free(place: Path) -> bool:
    """Remove a copy that nobody holds; whether it is gone."""
    with suppress(FileNotFoundError), place.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        place.unlink()
    return True


def _touch(place: Path) -> None:
    """Note that a copy is used. Not at every use: a file that was touched is hashed again."""
    found = place.stat()
    if time.time() - found.st_atime > _TOUCH_SECONDS:
        os.utime(place, ns=(time.time_ns(), found.st_mtime_ns))


def _key(digest: str) -> str:
    return f"{digest[:2]}/{digest}"
