"""What is done in a simulation, minute by minute: transactions, the processor time of some of them, GPUs at work."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from bench.simulation.catalog import Clock
from bench.simulation.findings import Findings, Sample
from core.catalog.pools import BEAT_SECONDS
from core.settings import Settings


class Counts:
    """Counts of one minute after the other, which go into `found`."""

    def __init__(self, clock: Clock, settings: Settings, hosts: int, found: Findings) -> None:
        self._clock, self._settings, self._found = clock, settings, found
        self._hosts = hosts
        self._busy = self._gpus = 0
        self._until = 0.0
        self._began()

    def _began(self) -> None:
        self._since: Counter[str] = Counter()
        self._taken: dict[str, list[float]] = defaultdict(list)
        self._told = 0

    def did(self, transaction: str, times: float = 1) -> None:
        """So many of these were committed."""
        self._since[transaction] += times  # type: ignore[assignment]

    def told(self, rows: int) -> None:
        """So many announcements were struck out."""
        self._told += rows

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """The processor's time that this takes."""
        began = time.process_time()
        yield
        self._taken[what].append(time.process_time() - began)

    def at_work(self, slots: int, gpus: int) -> None:
        """So many more are at work from now on; heartbeats and saved states until now are counted."""
        seconds, self._until = self._clock.now - self._until, self._clock.now
        saved = self._busy * seconds / self._settings.checkpoint_seconds
        self.did("checkpoint", saved)
        self.did("heartbeat", self._busy * seconds / self._settings.heartbeat_seconds - saved)
        self.did("presence", self._hosts * seconds / BEAT_SECONDS)
        self._found.busy_seconds += self._gpus * seconds
        self._busy += slots
        self._gpus += gpus

    def appear(self, hosts: int) -> None:
        """So many hosts more say from now on that they are there; fewer, where that is negative."""
        self.at_work(0, 0)
        self._hosts += hosts

    def sample(self, queued: int, away: int, kept: int) -> None:
        """How things stand now, and what was done since the last sample."""
        self.at_work(0, 0)
        self._found.samples.append(
            Sample(
                at=self._clock.now,
                queued=queued,
                busy=self._busy,
                gpus=self._gpus,
                away=away,
                kept=kept,
                told=self._told,
                transactions=self._since,
                taken=self._taken,
            )
        )
        self._began()
