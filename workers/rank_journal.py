"""One journal for several ranks: rank 0 keeps it, and what it reads there is read out to all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, BinaryIO

from core.experiments import Journal
from core.experiments.shared import SharedTraining
from core.training.checkpoint import TrainingState
from core.training.ranks import Ranks


class RankJournal:
    """A rank's view of the journal; `kept` is the journal itself on rank 0, and None on the others."""

    def __init__(self, ranks: Ranks, kept: Journal | None) -> None:
        self._ranks, self._kept = ranks, kept

    def event(self, kind: str, data: dict[str, Any]) -> None:
        if self._kept:
            self._kept.event(kind, data)

    def progress(self, done: int, total: int, doing: str) -> None:
        if self._kept:
            self._kept.progress(done, total, doing)

    def states(self, training: str) -> Iterable[TrainingState]:
        return self._ranks.told(list(self._kept.states(training)) if self._kept else [])

    def due(self) -> bool:
        return self._kept is not None and self._kept.due()

    def save(self, training: str, state: TrainingState, complete: bool) -> None:
        if self._kept:
            self._kept.save(training, state, complete)

    def store(self, write: Callable[[BinaryIO], object]) -> str:
        """The digest on rank 0; the others write nothing, and their outcome is not looked at."""
        return self._kept.store(write) if self._kept else ""

    @contextmanager
    def sharing(self, key: str, wait: bool) -> Iterator[SharedTraining | None]:
        with self._kept.sharing(key, wait) if self._kept else nullcontext() as found:
            yield self._ranks.told(found)

    def publish(self, key: str, training: SharedTraining) -> str | None:
        return self._kept.publish(key, training) if self._kept else None
