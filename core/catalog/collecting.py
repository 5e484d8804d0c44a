"""Removes artifacts that nothing names. What is being made now is nobody's yet, and is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import func, select

from core.catalog.artifacts import ArtifactStore, Stored
from core.catalog.database import Database
from core.catalog.references import references
from core.catalog.tables import Job
from core.catalog.trainings import Pointer, pointers
from core.jobs.states import HELD

LEAST_GRACE = 3600.0
"""A request stores a file before any row speaks of it, and takes its time."""
_CLOCKS = 300.0
"""The store's clock, the database's and this machine's may differ by so much."""
_BATCH = 1000


@dataclass
class Collected:
    """What was removed, or would be: `bytes` in all, and the pointers to trainings that no job has any more."""

    digests: list[str] = field(default_factory=list)
    bytes: int = 0
    trainings: list[str] = field(default_factory=list)

    @property
    def artifacts(self) -> int:
        """How many."""
        return len(self.digests)

    def as_json(self) -> dict[str, Any]:
        """The same for a machine."""
        return asdict(self)


def collect(database: Database, store: ArtifactStore, grace: float, *, dry_run: bool = False) -> Collected:
    """Remove every artifact that nothing names and that was last written more than `grace` seconds ago.

    Safe at any time. A job stores what it makes long before its success names it: nothing is removed that was written
    since the oldest attempt began that is still running. Stored again, bytes count as written then. What nothing names
    is looked up once more just before it is removed, a batch at a time.
    """
    collected = Collected()
    before = _old(database, max(grace, LEAST_GRACE))
    candidates = [one for one in store.stored() if one.written < before]
    named = _named(database)
    trainings = list(pointers(store))
    over = [one for one in trainings if one.written < before and one.weights not in named]
    shared = _made_of([one for one in trainings if one not in over])
    for pointer in over:
        collected.trainings.append(pointer.name)
        if not dry_run:
            store.unpoint(pointer.name)
    unnamed = [one for one in candidates if one.digest not in named and one.digest not in shared]
    for batch in _batches(unnamed):
        named = set() if dry_run else _named(database)
        for one in batch:
            if one.digest not in named and (dry_run or store.discard(one.digest, before)):
                collected.digests.append(one.digest)
                collected.bytes += one.size
    return collected


def _old(database: Database, grace: float) -> float:
    """Written before then, an artifact is of no attempt that is under way."""
    with database.everywhere().read() as session:
        began = session.scalar(select(func.min(Job.started_at)).where(Job.state.in_(HELD)))
    now = time.time()
    return min(now - grace, now if began is None else began - _CLOCKS)


def _named(database: Database) -> set[str]:
    return {reference.digest for reference in references(database)}


def _made_of(trainings: list[Pointer]) -> set[str]:
    return {digest for one in trainings for digest in (one.record, one.weights)}


def _batches(unnamed: list[Stored]) -> Iterator[list[Stored]]:
    for start in range(0, len(unnamed), _BATCH):
        yield unnamed[start : start + _BATCH]
