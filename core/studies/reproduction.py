"""A study run again from an archive, beside what the archive says it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Literal

from pydantic import BaseModel

from core.jobs.states import TERMINAL, State
from core.studies.archive import StudyArchive

What = Literal["tickets", "weights", "accuracies"]
_UNDER_WAY = frozenset(State) - TERMINAL
WHAT: tuple[What, ...] = ("tickets", "weights", "accuracies")
MEASURED = ("last", "between")
"""The accuracies that are compared: where the best epoch lies follows from the same weights."""


class Figures(BaseModel):
    """What a job came to: its tickets, and of its runs in order the digests of the trained weights and the accuracies.

    `fingerprints`: what each run was computed with, counted in the study's list of them.
    """

    tickets: list[str] = []
    weights: list[str] = []
    accuracies: list[float] = []
    fingerprints: list[int] = []


class StudyOutcome(BaseModel):
    """What the jobs came to that have succeeded, by key."""

    fingerprints: list[dict[str, Any]]
    jobs: dict[str, Figures]


class Expected(StudyOutcome):
    """What an archive says of them, and the versions that it was made with."""

    elasticket: str
    numerics: int


def expected(archive: StudyArchive) -> Expected:
    """What is to come out again."""
    jobs = {
        job.key: Figures(
            tickets=list(job.tickets),
            weights=[run.weights_digest for run in job.runs],
            accuracies=[result.correct / result.total for result in job.results if result.point in MEASURED],
            fingerprints=[run.fingerprint for run in job.runs],
        )
        for job in archive.jobs
        if job.state == State.SUCCEEDED
    }
    return Expected(**archive.versions.model_dump(), fingerprints=archive.fingerprints, jobs=jobs)


@dataclass
class Tally:
    """How many are the same, how many differ, and how many are still to come."""

    same: int = 0
    different: int = 0
    to_come: int = 0


@dataclass(frozen=True)
class Difference:
    """One thing that is not as in the archive: the n-th of a job's, or the `state` of a job that did not succeed."""

    key: str
    what: What | Literal["state"]
    number: int | None
    expected: Any
    got: Any


@dataclass
class Reproduction:
    """How far a study has come out as in the archive. `circumstances`: of the fingerprints, what differs and how."""

    tallies: dict[What, Tally] = field(default_factory=lambda: {what: Tally() for what in WHAT})
    different: list[Difference] = field(default_factory=list)
    circumstances: dict[str, tuple[list[Any], list[Any]]] = field(default_factory=dict)
    compared_runs: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing is still to come."""
        return not any(tally.to_come for tally in self.tallies.values())

    @property
    def same_circumstances(self) -> bool | None:
        """Whether all fingerprints match so far; None as long as there is none to compare."""
        return not self.circumstances if self.compared_runs else None


def compare(given: StudyOutcome, got: StudyOutcome, states: Mapping[str, str]) -> Reproduction:
    """Compare what an archive says of jobs with what they came to here, as far as they have ended."""
    found = Reproduction()
    for key, figures in given.jobs.items():
        state = states[key]
        if state == State.SUCCEEDED:
            for what in WHAT:
                _each(found, key, what, getattr(figures, what), getattr(got.jobs[key], what))
            for there, here in zip(figures.fingerprints, got.jobs[key].fingerprints, strict=False):
                _circumstances(found, given.fingerprints[there], got.fingerprints[here])
            continue
        ended = state not in _UNDER_WAY
        if ended:
            found.different.append(Difference(key, "state", None, State.SUCCEEDED.value, state))
        for what in WHAT:
            count = len(getattr(figures, what))
            if ended:
                found.tallies[what].different += count
            else:
                found.tallies[what].to_come += count
    return found


def _each(found: Reproduction, key: str, what: What, given: Sequence[Any], got: Sequence[Any]) -> None:
    for number, (one, other) in enumerate(zip_longest(given, got)):
        if one == other:
            found.tallies[what].same += 1
        else:
            found.tallies[what].different += 1
            found.different.append(Difference(key, what, number, one, other))


def _circumstances(found: Reproduction, given: Mapping[str, Any], got: Mapping[str, Any]) -> None:
    found.compared_runs += 1
    for name in {**given, **got}:
        if given.get(name) != got.get(name):
            there, here = found.circumstances.setdefault(name, ([], []))
            for values, value in ((there, given.get(name)), (here, got.get(name))):
                if value not in values:
                    values.append(value)


def in_words(found: Reproduction) -> str:
    """How far it has come, in a line."""
    said = [f"{noun}: {_counted(found.tallies[what])}" for what, noun in _NOUNS.items()]
    return "; ".join([*said, *_within(found)])


_NOUNS: dict[What, str] = {"tickets": "tickets", "weights": "trained weights", "accuracies": "accuracies"}


def _counted(tally: Tally) -> str:
    counts = (("same", tally.same), ("different", tally.different), ("to come", tally.to_come))
    return ", ".join(f"{count} {words}" for words, count in counts if count) or "none"


def _within(found: Reproduction) -> list[str]:
    if found.same_circumstances is None:
        return []
    if found.same_circumstances:
        return ["under the same fingerprint"]
    named = "; ".join(
        f"{name} {', '.join(map(str, there))} there, {', '.join(map(str, here))} here"
        for name, (there, here) in found.circumstances.items()
    )
    return [f"under another fingerprint, within which nothing is promised ({named})"]
