"""Opens the stores that settings name: in a directory, or in a bucket with copies on this machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from core.catalog.artifacts import ArtifactStore, LocalStore
from core.settings import S3, Settings


@dataclass(frozen=True)
class Location:
    """Where artifacts lie: `where` is a directory or s3://BUCKET/PREFIX, of which `copies` has at most `most` bytes."""

    where: str
    copies: str
    most: int

    @classmethod
    def of(cls, settings: Settings) -> Location:
        """Where an installation's artifacts lie."""
        return cls(settings.artifact_location, str(settings.artifact_directory), settings.cache_bytes)

    @property
    def here(self) -> Location:
        """The copies alone, for who reaches no network."""
        return Location(self.copies, self.copies, self.most)

    def below(self, folder: str) -> Location:
        """A store of its own in a folder of this one; its copies are kept with the others."""
        return Location(f"{self.where.rstrip('/')}/{folder}", self.copies, self.most)

    def open(self, holds: str = "artifact", endpoint: str = "", seconds: int = 0) -> ArtifactStore:
        """The store. `holds` is what is in it, by its name among `core.crashpoints.STORES`.

        Addresses name the server as `endpoint`, and are good for so many seconds.
        """
        if not self.where.startswith(S3):
            return LocalStore(Path(self.where), holds)
        # boto3 is a third of a second that an installation without a bucket need not spend.
        from core.catalog.bucket import Bucket
        from core.catalog.bucket_store import BucketStore

        return BucketStore(Bucket(self.where, endpoint), Path(self.copies), self.most, seconds, holds)


def store_of(settings: Settings) -> ArtifactStore:
    """An installation's artifacts."""
    return Location.of(settings).open(
        endpoint=settings.presigned_endpoint, seconds=settings.presigned_seconds
    )


def warm_store(settings: Settings) -> None:
    """Read now what opening a bucket reads: processes that are forked from this one need not."""
    if settings.bucket:
        from core.catalog.bucket import warm

        warm()


def found_digest(store: ArtifactStore, digest: str) -> str:
    """The digest of what is kept for good under a digest: the same, unless it is damaged."""
    hashed = hashlib.sha256()
    for block in store.blocks(digest):
        hashed.update(block)
    return hashed.hexdigest()
