"""Hosts with a slot for each of their GPUs, and what befalls them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from core.jobs.placement import Offer


class Fate(Enum):
    """What befalls a host."""

    DIES = "died"
    """Its jobs stop where they are, and nobody says so."""
    CUT_OFF = "was cut off"
    """Its network is: it works on, can tell nobody, and later tries to hand in what it made."""
    SHUT_DOWN = "was shut down"
    """With a notice, as spot instances get it: it saves its jobs' states and gives them back."""


@dataclass(frozen=True)
class Held:
    """A job that a slot has claimed: its token, and when its work began and will be done."""

    job_id: str
    attempt: int
    project: str
    began: float
    ends: float


@dataclass(eq=False)
class Slot:
    """One slot. `life` counts its restarts: what a slot of an earlier life had in mind comes to nothing."""

    host: Host
    name: str
    life: int = 0
    job: Held | None = None


class Look(NamedTuple):
    """What decides whether a host finds a job: how many it let go, whom it is kept for, and what is queued.

    Where it found none it finds none as long as the first two are the same and nothing else is queued, by GPUs and
    priority.
    """

    ended: int
    kept_for: str | None
    queued: frozenset[tuple[int, int]]

    def is_no_better_than(self, other: Look | None) -> bool:
        """Whether it finds nothing either."""
        return other is not None and self[:2] == other[:2] and self.queued <= other.queued


@dataclass(eq=False)
class Host:
    """A worker. `silent`: nothing is heard of it. `resting`: those of its slots that wait for a hint.

    `ended`: how many jobs it let go; `looked`: how that and all else stood that decided when it last looked in vain.
    """

    name: str
    offer: Offer
    slots: list[Slot] = field(default_factory=list)
    resting: list[Slot] = field(default_factory=list)
    silent: bool = False
    ended: int = 0
    looked: Look | None = None


@dataclass(frozen=True)
class Fleet:
    """So many hosts with so many GPUs each; something befalls each of them every `mean_hours` on average.

    One that died or was shut down is away for `away_seconds`, one that is cut off for `cut_seconds` on average.
    """

    hosts: int = 125
    gpus: int = 8
    mean_hours: float = 48.0
    away_seconds: float = 600.0
    cut_seconds: float = 45.0

    def build(self) -> list[Host]:
        """All of them, at work."""
        offer = Offer(slots=self.gpus, gpus=self.gpus)
        made = [Host(f"host-{number:03}", offer) for number in range(self.hosts)]
        for host in made:
            host.slots = [Slot(host, f"{host.name}:{number}") for number in range(self.gpus)]
            host.resting = list(host.slots)
        return made

    def fates(self, seed: int) -> Iterator[tuple[float, int, Fate]]:
        """When something befalls which host, and what; without end."""
        draw = random.Random(f"fates {seed}")
        at = 0.0
        while True:
            at += draw.expovariate(self.hosts / (3600 * self.mean_hours))
            yield at, draw.randrange(self.hosts), draw.choice(list(Fate))
