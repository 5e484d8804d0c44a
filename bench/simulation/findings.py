"""What a simulation sees."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class Wait(NamedTuple):
    """How long a job stood in the queue before its first claim."""

    project: str
    priority: int
    gpus: int
    seconds: float


@dataclass
class Sample:
    """How things stood: jobs queued, slots at work, GPUs in use, slots away; what was done since the last sample.

    `kept`: GPUs that do nothing on hosts that are kept for large jobs. `told`: announcements that were struck out.
    `taken`: the processor's time, in seconds, of each look of the reconciler and of some transactions.
    """

    at: float
    queued: int
    busy: int
    gpus: int
    away: int
    kept: int
    told: int
    transactions: Counter[str]
    taken: dict[str, list[float]] = field(compare=False)


@dataclass
class Findings:
    """What a simulation saw.

    Of slots that had lost their job: `late` wanted to hand it in, `refused` to go on. `unfair`: claims of another job
    than that of the highest priority, and of the project with the fewest GPUs, among those that were queued.
    """

    waits: list[Wait] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    fates: Counter[str] = field(default_factory=Counter)
    gave_way: int = 0
    unfair: int = 0
    refused: int = 0
    late: int = 0
    busy_seconds: float = 0.0
    lost_seconds: float = 0.0
    stored_bytes: int = field(default=0, compare=False)
    ended_at: float = 0.0

    @property
    def transactions(self) -> Counter[str]:
        """Of the whole time."""
        return sum((sample.transactions for sample in self.samples), Counter())
