"""Finished trainings, shared by all jobs: found by a key that says all they depend on. One trains, the others wait."""

from __future__ import annotations

import fcntl
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.catalog.artifacts import ArtifactStore
from core.catalog.scope import DEFAULT
from core.crashpoints import crashpoint

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinishedTraining:
    """A training's weights, in a file that was hashed just now, and what else is to be told of it."""

    weights: Path
    about: dict[str, Any]


@dataclass(frozen=True)
class Pointer:
    """A finished training's name, since when it means `record`, and the artifact that has its weights."""

    name: str
    written: float
    record: str
    weights: str


def pointers(store: ArtifactStore) -> Iterator[Pointer]:
    """All finished trainings, as far as they can be read."""
    for name, written in store.pointers():
        with suppress(LookupError, ValueError, OSError):
            record = store.pointed(name)
            if record is not None:
                weights = json.loads(store.path(record).read_bytes())["weights"]
                yield Pointer(name, written, record, weights)


def named_by_trainings(store: ArtifactStore) -> set[str]:
    """The artifacts that finished trainings are made of."""
    return {digest for pointer in pointers(store) for digest in (pointer.record, pointer.weights)}


class SharedTrainings:
    """A pointer in an artifact store, `trainings/KEY`, means the record of a finished one, which names its weights.

    Every project has a folder of its own in there, the default one apart: that a training was there already would
    tell what others do.

    Both are artifacts. What is torn, damaged or missing is not there: it is trained again. Removing the whole folder
    costs time and nothing else.
    """

    def __init__(self, store: ArtifactStore, project: str) -> None:
        self._store = store
        self._project = "" if project == DEFAULT else f"{project}/"

    def find(self, key: str) -> FinishedTraining | None:
        """The finished training of this key, as far as every byte of it can be read."""
        try:
            pointed = self._store.pointed(self._project + key)
            if pointed is None:
                return None
            record = json.loads(self._store.verified(pointed).read_bytes())
            return FinishedTraining(self._store.verified(record["weights"]), record["about"])
        except (LookupError, ValueError, OSError) as error:
            log.warning("a shared training is of no use: %s", error)
            return None

    def publish(self, key: str, weights: str, about: dict[str, Any]) -> None:
        """Enter a finished training, whose weights are the artifact `weights`.

        The first that can be read stays: all attempts of a job that was given it are given the same.
        """
        if self.find(key) is not None:
            return
        with self._store.stage() as staged:
            staged.write(json.dumps({"weights": weights, "about": about}, allow_nan=False).encode())
            record = staged.commit()
        crashpoint("training.publish")
        self._store.point(self._project + key, record)
        crashpoint("training.published")

    @contextmanager
    def turn(self, key: str, *, wait: bool) -> Iterator[FinishedTraining | None]:
        """The finished training; None where it is this process's turn to do it, and to publish it within the block.

        Where another process is at it, this one waits for it, or for its death; or goes ahead, if not to `wait`.
        """
        found = self.find(key)
        if found is not None:
            yield found
            return
        with self._alone(key, wait):
            yield self.find(key)

    @contextmanager
    def _alone(self, key: str, wait: bool) -> Iterator[None]:
        """Hold the key's lock, which the kernel takes back from a process that dies, and which no fork inherits.

        It is of those who share the store's directory: on machines that do not, a training may be done twice.
        """
        lock = self._store.root / "trainings" / f"{self._project}{key}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("ab") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if wait:
                    log.info("another job is at this training: waiting for it")
                    fcntl.lockf(file, fcntl.LOCK_EX)
            except OSError as error:
                # A file system without locks: at worst a training is done twice.
                log.warning("trainings cannot be shared while they run: %s", error)
            try:
                yield
            finally:
                # Whoever still waits for it finds the training, and whoever comes now does not look for the lock.
                with suppress(OSError, ValueError):
                    if self._store.pointed(self._project + key) is not None:
                        lock.unlink(missing_ok=True)
