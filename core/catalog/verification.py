"""Looks at every artifact: what the catalog names is there and whole, and what else lies in the store."""

from __future__ import annotations

import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.catalog import tickets
from core.catalog.artifacts import DIGEST, STAGED, ArtifactDamaged, ArtifactMissing, LocalStore
from core.catalog.database import Database
from core.catalog.references import Reference, references
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


def verify(database: Database, store: LocalStore, progress: Progress = lambda *_: None) -> Verdict:
    """Hash everything. Safe at any time: what is written meanwhile is not missed, and taken for nothing else."""
    # Before the rows: a file that is listed is named by then, or was never to be.
    listed = dict(_files(store.root))
    named: defaultdict[str, list[Reference]] = defaultdict(list)
    for reference in references(database):
        named[reference.digest].append(reference)
    verdict = Verdict(unfinished=sorted(path.name for path in store.root.glob(f"{STAGED}*")))
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


def _look(store: LocalStore, digest: str, named: Sequence[Reference]) -> tuple[int, str | None]:
    """The size of an artifact's file, and what is wrong with it. Of a wrong size it need not be hashed."""
    try:
        size = store.path(digest).stat().st_size
        expected = {one.size for one in named} - {None, size}
        if expected:
            return size, f"damaged: {size} bytes instead of {min(filter(None, expected))}"
        store.verified(digest)
    except ArtifactDamaged as error:
        return size, f"damaged: it has digest {error.found}"
    except ArtifactMissing:
        return 0, "missing"
    except OSError as error:
        return 0, f"cannot be read: {error.strerror}"
    return size, None


def _files(root: Path) -> Iterator[tuple[str, float]]:
    """Every file that is named as an artifact, and when it was written."""
    for folder in root.glob("[0-9a-f][0-9a-f]"):
        with os.scandir(folder) as entries:
            for entry in entries:
                if DIGEST.fullmatch(entry.name):
                    yield entry.name, entry.stat().st_mtime


def repair(
    database: Database, store: LocalStore, verdict: Verdict, others: Iterable[LocalStore] = ()
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


def _found(store: LocalStore, fault: Fault, others: Iterable[LocalStore]) -> Path | None:
    for other in others:
        if other.has_intact(fault.digest):
            copy(other, store, fault.digest)
            return other.root
    return None


def copy(source: LocalStore, target: LocalStore, digest: str) -> None:
    """Copy an artifact from store to store; raises ArtifactMissing, or ArtifactDamaged where it is not whole."""
    with source.path(digest).open("rb") as stream, target.stage() as staged:
        shutil.copyfileobj(stream, staged, 1 << 20)
        if staged.digest != digest:
            raise ArtifactDamaged(digest, staged.digest)
        staged.commit()
