"""What a study will take, before any of it is done."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from core.studies.nodes import Node
from core.studies.words import plural
from core.studies.work import EARLY_BIRD, Unit, once, units


class Pace(Protocol):
    """Device-seconds of a step, None where nothing tells; `told` says what by."""

    @property
    def seconds(self) -> float | None: ...

    @property
    def told(self) -> str: ...


class Overhead(Protocol):
    """Device-seconds of a job beside its trainings, and as many again for each training."""

    @property
    def seconds(self) -> float: ...

    @property
    def each(self) -> float: ...


class Paces(Protocol):
    """What was measured before."""

    def of(self, unit: Unit) -> Pace:
        """How fast a unit's steps will be."""

    def overhead(self, kind: str, dataset: str) -> Overhead | None:
        """What else a job of a kind takes; None where none has finished."""


@dataclass(frozen=True)
class JobEstimate:
    """One job. `device_seconds`: None where the operations of its network are not known; `done`: it costs nothing."""

    key: str
    kind: str
    trainings: float
    steps: int
    device_seconds: float | None
    done: bool


@dataclass(frozen=True)
class Estimate:
    """All jobs of a study, and in sentences what was assumed."""

    jobs: tuple[JobEstimate, ...]
    assumptions: tuple[str, ...]

    @property
    def trainings(self) -> float:
        """Whole trainings that are yet to be done."""
        return sum(job.trainings for job in self.jobs)

    @property
    def device_seconds(self) -> float | None:
        """Of all jobs; None where it is not known of one."""
        known = [job.device_seconds for job in self.jobs if job.device_seconds is not None]
        return sum(known) if len(known) == len(self.jobs) else None


def estimate(nodes: Mapping[str, Node], paces: Paces, done: Collection[str] = ()) -> Estimate:
    """What these jobs will take; those of `done` have been done, and what they trained is there for the others."""
    work = units(nodes)
    # In the order in which trainings are found: what is there comes first.
    left = once({key: work[key] for key in (*done, *(key for key in nodes if key not in done))})
    jobs = tuple(
        JobEstimate(key, node.kind, 0, 0, 0.0, done=True) if key in done else _job(node, left[key], paces)
        for key, node in nodes.items()
    )
    ahead = [key for key in nodes if key not in done]
    told = _assumptions([nodes[key] for key in ahead], [unit for key in ahead for unit in left[key]], paces)
    shared = sum(len(several) for several in work.values()) - sum(len(several) for several in left.values())
    sharing = (
        [f"trainings that several of these jobs need are done once: {shared} are shared"] if shared else []
    )
    reused = [f"{plural(len(done), 'job')} finished before and will be used again"] if done else []
    return Estimate(jobs, (*told, *sharing, *reused))


def _job(node: Node, own: tuple[Unit, ...], paces: Paces) -> JobEstimate:
    beside = _beside(node, paces)
    seconds: float | None = beside.seconds if beside else 0.0
    for unit in own:
        step = paces.of(unit).seconds
        if seconds is None or step is None:
            seconds = None
            break
        seconds += unit.steps * step + (beside.each if beside and unit.whole else 0.0)
    return JobEstimate(
        node.key,
        node.kind,
        sum(unit.whole for unit in own),
        sum(unit.steps for unit in own),
        seconds,
        done=False,
    )


def _assumptions(nodes: Iterable[Node], left: Iterable[Unit], paces: Paces) -> list[str]:
    nodes = list(nodes)
    told = list(dict.fromkeys(paces.of(unit).told for unit in left))
    if any(node.body.get("method") == "early_bird" for node in nodes):
        told.append(EARLY_BIRD)
    unknown = dict.fromkeys(node.kind for node in nodes if _beside(node, paces) is None)
    return told + [
        f"what a {kind} job takes beside its trainings is left out: none has finished here"
        for kind in unknown
    ]


def _beside(node: Node, paces: Paces) -> Overhead | None:
    return paces.overhead(node.kind, str(node.body.get("dataset") or ""))
