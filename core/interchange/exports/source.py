"""What an export is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.tickets import Metadata, Ticket
from core.tickets.metadata import to_strings


class Unavailable(ValueError):
    """A ticket that has no file of a format: which format, why, and what would be accepted."""

    def __init__(self, format: str, why: str, accepted: str) -> None:  # noqa: A002
        super().__init__(f"{format}: {why}; accepted: {accepted}")
        self.format = format
        self.why = why
        self.accepted = accepted


@dataclass(frozen=True)
class Figure:
    """Test accuracy, 0 to 1, of the networks trained from a ticket: mean and sample standard deviation of `count`
    measurements after the last step (`last`) or at the test-selected epoch (`best`); no deviation of a single one.
    """

    dataset: str
    point: str
    count: int
    mean: float
    std: float | None = None


@dataclass(frozen=True)
class Ancestor:
    """A ticket that this one was transformed from, directly or through others."""

    identity: str
    architecture: str
    sparsity: float
    method: str | None = None


@dataclass(frozen=True)
class Source:
    """A ticket with what is known about it.

    `lineage` has the nearest ancestor first. `steps_per_epoch` is that of the training which the rewind step
    counts in; formats that write a step as epoch and iteration need it.
    """

    ticket: Ticket
    metadata: Metadata
    identity: str
    figures: Sequence[Figure] = ()
    lineage: Sequence[Ancestor] = ()
    steps_per_epoch: int | None = None

    def description(self) -> dict[str, str]:
        """The ticket in strings, for formats that have room for some: those of its own file, and its id."""
        strings = {**to_strings(self.ticket, self.metadata), "ticket": self.identity}
        return {key: value for key, value in strings.items() if key not in ("format", "shapes")}
