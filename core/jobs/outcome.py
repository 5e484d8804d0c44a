"""What a job hands back: tickets, trainings, measured accuracies; or why it failed. Plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class RunRecord:
    """One training and what it was run with. `steps` counts those trained, from `start_step` on.

    `shared`: another job did it; `seconds`, `speed` and `fingerprint` are those of that time. `speed`: how fast it went
    and what it cost, as the API's `Speed` describes it.
    """

    architecture: str
    dataset: str
    ticket_id: str | None
    seed: int
    order_seed: int
    level: int | None
    sparsity: float
    start_step: int
    steps: int
    seconds: float
    history: list[dict[str, Any]]
    fingerprint: dict[str, Any]
    weights_digest: str
    shared: bool = False
    speed: dict[str, Any] | None = None


@dataclass(frozen=True)
class ResultRecord:
    """One measured accuracy, correct / total, at `point`: last, best (test-selected), evaluate, or between.

    `alpha` tells where on the line between two trainings, from 0 at the first to 1 at the second. `latency`: how fast
    the network is, as the API's `Latency` describes it.
    """

    dataset: str
    point: str
    correct: int
    total: int
    loss: float
    run: int | None = None
    ticket_id: str | None = None
    epoch: int | None = None
    seed: int | None = None
    alpha: float | None = None
    latency: dict[str, Any] | None = None


@dataclass(frozen=True)
class ProducedTicket:
    """A ticket file that a job wrote to the artifact store, and by step the dense weights under its mask."""

    digest: str
    weights: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProducedCopy:
    """A ticket's file in another format, in the artifact store."""

    ticket_id: str
    format: str
    digest: str


@dataclass
class Outcome:
    """Everything a job produced; it becomes visible in the transaction that makes the job succeed."""

    runs: list[RunRecord] = field(default_factory=list)
    results: list[ResultRecord] = field(default_factory=list)
    tickets: list[ProducedTicket] = field(default_factory=list)
    copies: list[ProducedCopy] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Outcome:
        """The outcome of `as_json`'s object."""
        return cls(
            runs=[RunRecord(**run) for run in data["runs"]],
            results=[ResultRecord(**result) for result in data["results"]],
            tickets=[ProducedTicket(**ticket) for ticket in data["tickets"]],
            copies=[ProducedCopy(**copy) for copy in data["copies"]],
        )


@dataclass(frozen=True)
class Failure:
    """Why a job failed: a stable reason for programs, a message for people, and what else a reason has to say."""

    reason: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)
