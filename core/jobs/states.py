"""The life of a job, as data: one table drives the guards, the API's text and the pages' colours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class StateFacts:
    """What may follow a state, what it means to a reader, and the tone a page shows it in."""

    then: frozenset[State]
    meaning: str
    tone: str

    @property
    def terminal(self) -> bool:
        """Whether nothing follows: such a job never changes again."""
        return not self.then


STATES: dict[State, StateFacts] = {
    State.WAITING: StateFacts(
        frozenset({State.QUEUED, State.FAILED, State.CANCELLED}), "waits for the jobs it depends on", "idle"
    ),
    State.QUEUED: StateFacts(frozenset({State.RUNNING, State.CANCELLED}), "waits for a worker", "idle"),
    State.RUNNING: StateFacts(
        frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLING, State.QUEUED}),
        "a worker holds it",
        "busy",
    ),
    State.CANCELLING: StateFacts(
        frozenset({State.CANCELLED, State.SUCCEEDED, State.FAILED}),
        "is being stopped; it may finish first",
        "warn",
    ),
    State.SUCCEEDED: StateFacts(frozenset(), "finished; its results are final", "good"),
    State.FAILED: StateFacts(frozenset(), "ended with an error; retry makes a new job", "bad"),
    State.CANCELLED: StateFacts(frozenset(), "was stopped on request", "off"),
}


def sources(target: State) -> frozenset[State]:
    """The states a job may be in to move to `target`."""
    return frozenset(state for state, facts in STATES.items() if target in facts.then)


TERMINAL = frozenset(state for state, facts in STATES.items() if facts.terminal)
LIVE = frozenset(STATES) - TERMINAL
"""By these an index finds the jobs that are not over."""
HELD = (State.RUNNING, State.CANCELLING)
"""A worker holds such a job."""
RETRYABLE = frozenset({State.FAILED, State.CANCELLED})
