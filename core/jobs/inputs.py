"""What a job is given besides its spec: tickets, trained networks, posted families, an uploaded file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class InputTicket:
    """A ticket's file at `path`, and where the catalog says it comes from.

    `weights`: files of the dense weights that its mask was laid over, by step; JSON has only strings for keys.
    """

    path: str
    dataset: str | None
    seed: int | None
    level: int | None
    weights: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainedNetwork:
    """The weights an earlier training left in the store at `path`, as the input of another job."""

    path: str
    architecture: str
    input: tuple[int, int, int]
    classes: int
    ticket_id: str | None
    seed: int


@dataclass(frozen=True)
class Inputs:
    """Everything a job works on. Files are named by their paths in the stores.

    `definitions`: the posted architectures that the spec or its tickets name. `upload`: a foreign file to import.
    `about`: what is known of a ticket to export, its measured accuracies and its ancestors.
    """

    tickets: dict[str, InputTicket] = field(default_factory=dict)
    weights: list[TrainedNetwork] = field(default_factory=list)
    definitions: list[dict[str, Any]] = field(default_factory=list)
    upload: str | None = None
    about: dict[str, Any] = field(default_factory=dict)

    def artifacts(self) -> list[str]:
        """The paths of all that comes from the artifact store, where a file's name is its digest."""
        of_tickets = [path for one in self.tickets.values() for path in (one.path, *one.weights.values())]
        return [*of_tickets, *(one.path for one in self.weights)]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inputs of `dataclasses.asdict`'s object, which has been through JSON."""
        return cls(
            **data
            | {
                "tickets": {name: InputTicket(**ticket) for name, ticket in data["tickets"].items()},
                "weights": [TrainedNetwork(**weights) for weights in data["weights"]],
            }
        )
