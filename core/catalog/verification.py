"""Looks at every artifact: what the catalog names is there and whole, and what else lies in the store."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from core.catalog import tickets
from core.catalog.artifacts import ArtifactDamaged, ArtifactMissing, ArtifactStore
from core.catalog.database import Database
from core.catalog.references import Reference, references
from core.catalog.stores import found_digest
from core.catalog.tables import TicketCopy
from core.catalog.trainings import named_by_trainings

YOUNG_SECONDS = 3600.0
"""A file is in the store before any row speaks of it: a younger one may be in the making."""
ABANDONED_SECONDS = 86400.0
_THREADS = min(8, os.cpu_count() or 1)

Progress = Callable[[int, int], None]
"""Told how many artifacts were looked at, and of how many."""


@dataclass(frozen=True)
class Fault:
    """An artifact that is missing or damaged, and everything that needs it."""

    digest: str
    fault: str
    needed_by: list[str]


@dataclass
class Verdict:
    """What was found. Files nobody names, and those never finished, take room and do no harm."""

    checked: int = 0
    bytes: int = 0
    faults: list[Fault] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The same for a machine."""
        return asdict(self)


def verify(database: Database, store: ArtifactStore, progress: Progress = lambda *_: None) -> Verdict:
    """Hash everything, where it is kept for good.

    Safe at any time: what is written meanwhile is not missed, and taken for nothing else.
    """
    # Before the rows: a file that is listed is named by then, or was never to be.
    listed = {one.digest: one.written for one in store.stored()}
    named: defaultdict[str, list[Reference]] = defaultdict(list)
    for reference in references(database):
        named[reference.digest].append(reference)
    verdict = Verdict(unfinished=store.unfinished())
    shared = named_by_trainings(store)
    old = time.time() - YOUNG_SECONDS
    verdict.orphans = sorted(
        digest for digest, at in listed.items() if digest not in named and digest not in shared and at < old
    )
    with ThreadPoolExecutor(_THREADS) as pool:
        looked = pool.map(lambda digest: _look(store, digest, named[digest]), named, chunksize=64)
        for digest, (size, fault) in zip(named, looked, strict=True):
            verdict.checked += 1
            verdict.bytes += size
            if fault is not None:
                verdict.faults.append(Fault(digest, fault, [one.what for one in named[digest]]))
            progress(verdict.checked, len(named))
    return verdict


def _look(store: ArtifactStore, digest: str, named: Sequence[Reference]) -> tuple[int, str | None]:
    """The size of an artifact's file, and what is wrong with it. Of a wrong size it need not be hashed."""
    try:
        size = store.measure(digest)
        expected = {one.size for one in named} - {None, size}
        if expected:
            return size, f"damaged: {size} bytes instead of {min(filter(None, expected))}"
        found = found_digest(store, digest)
    except ArtifactMissing:
        return 0, "missing"
    except OSError as error:
        return 0, f"cannot be read: {error.strerror or error}"
    return size, None if found == digest else f"damaged: it has digest {found}"


def repair(
    database: Database, store: ArtifactStore, verdict: Verdict, others: Iterable[ArtifactStore] = ()
) -> list[str]:
    """Mend what can be mended; what was done, in words.

    A faulty artifact is copied from the first of the `others` that has it whole. A file in another format is forgotten:
    it is made again when it is asked for. Files that were begun a day ago or earlier are removed.
    """
    done = [
        f"{fault.digest}: copied from {where}"
        for fault in verdict.faults
        if (where := _found(store, fault, others))
    ]
    lost = {fault.digest for fault in verdict.faults if not store.has_intact(fault.digest)}
    with database.write() as session:
        for copy in session.query(TicketCopy).filter(TicketCopy.digest.in_(lost)).all():
            tickets.forget_copy(session, copy.ticket_id, copy.format, copy.digest)
            done.append(f"{copy.digest}: will be made again, from its ticket, when it is asked for")
    store.sweep(ABANDONED_SECONDS)
    return done


def _found(store: ArtifactStore, fault: Fault, others: Iterable[ArtifactStore]) -> object:
    for other in others:
        if other.has_intact(fault.digest):
            copy(other, store, fault.digest)
            return other.root
    return None


def copy(source: ArtifactStore, target: ArtifactStore, digest: str) -> None:
    """Copy an artifact from store to store; raises ArtifactMissing, or ArtifactDamaged where it is not whole."""
    with target.stage() as staged:
        for block in source.blocks(digest):
            staged.write(block)
        if staged.digest != digest:
            raise ArtifactDamaged(digest, staged.digest)
        staged.commit()
