"""One job of a study: what it is asked, in terms of other jobs of the study."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

Kind = Literal["find", "transform", "train", "connect"]
Body = Mapping[str, Any]

LONGEST_KEY = 256
LONGEST_SEEDS = 48
"""Characters of a key: of more seeds the first are named."""


@dataclass(frozen=True)
class Node:
    """One job of a study. In its body `{"tickets_of": [keys]}` stands for the tickets that those jobs produced,
    `{"survivors_of": [key, n]}` for the survivors of the n-th one, and `{"job_of": key}` for the job itself.
    """

    key: str
    kind: Kind
    body: Body

    @property
    def needs(self) -> tuple[str, ...]:
        """The keys of the jobs that must have succeeded before this one can be asked for."""
        return tuple(dict.fromkeys(_named(self.body)))


def resolved(
    body: Body, tickets_of: Callable[[str], Sequence[tuple[str, int]]], job_of: Callable[[str], str]
) -> dict[str, Any]:
    """A body with tickets, numbers and jobs in place of references.

    `tickets_of` a key are (id, survivors), in order; `job_of` a key is the job's id.
    """

    def value(given: Any) -> Any:
        match given:
            case {"tickets_of": keys}:
                return [identity for key in keys for identity, _ in tickets_of(key)]
            case {"survivors_of": [key, n]}:
                return tickets_of(key)[n][1]
            case {"job_of": key}:
                return job_of(key)
            case Mapping():
                return {name: value(item) for name, item in given.items()}
            case list():
                return [value(item) for item in given]
        return given

    return {name: value(item) for name, item in body.items()}


def _named(given: Any) -> Iterator[str]:
    match given:
        case {"tickets_of": keys}:
            yield from keys
        case {"survivors_of": [key, _]} | {"job_of": key}:
            yield key
        case Mapping():
            for item in given.values():
                yield from _named(item)
        case list():
            for item in given:
                yield from _named(item)


def key_of(label: str, seeds: Sequence[int]) -> str:
    """The key of a job: what it is for, and its seeds."""
    said = ",".join(map(str, seeds))
    if len(said) > LONGEST_SEEDS:
        said = f"{said[: said.rindex(',', 0, LONGEST_SEEDS // 2)]} and more, {_mark(said)}"
    key = f"{label}/{'seed' if len(seeds) == 1 else 'seeds'} {said}"
    # Names of networks may be long, of a perceptron by its widths.
    return key if len(key) <= LONGEST_KEY else f"{key[: LONGEST_KEY - 10]}… {_mark(key)}"


def _mark(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]
