"""What jobs and studies took of the devices: worked out from attempts and runs, which are all that is kept of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.catalog.studies import node
from core.catalog.tables import Attempt, Job, Run, Study, StudyJob
from core.studies.expansion import Cell

SEVERAL = "several"
"""The arm of jobs that more than one arm needs."""


@dataclass(frozen=True)
class AttemptCost:
    """One try. `lost`: it ended without a result; what it had saved, the next one went on from."""

    attempt: int
    device_seconds: float
    outcome: str | None
    lost: bool


@dataclass(frozen=True)
class RunCost:
    """One training, over all attempts; `shared`: another job did it, so that none of this was taken here."""

    number: int
    architecture: str
    dataset: str
    seed: int
    level: int | None
    steps: int
    device_seconds: float
    evaluation_seconds: float
    shared: bool


@dataclass(frozen=True)
class LevelCost:
    """The trainings of one IMP level, over a job's seeds."""

    level: int
    device_seconds: float
    saved_seconds: float


@dataclass(frozen=True)
class JobCost:
    """One job: its attempts times its devices, what of that were trainings, and what it was spared."""

    job: str
    kind: str
    state: str
    devices: int
    attempts: tuple[AttemptCost, ...]
    runs: tuple[RunCost, ...]

    @property
    def device_seconds(self) -> float:
        """Of all attempts."""
        return sum(attempt.device_seconds for attempt in self.attempts)

    @property
    def lost_seconds(self) -> float:
        """Of the attempts that ended without a result."""
        return sum(attempt.device_seconds for attempt in self.attempts if attempt.lost)

    @property
    def training_seconds(self) -> float:
        """Of the trainings that are told of, evaluation included."""
        return sum(run.device_seconds for run in self.runs if not run.shared)

    @property
    def evaluation_seconds(self) -> float:
        """Of these, on the test images."""
        return sum(run.evaluation_seconds for run in self.runs if not run.shared)

    @property
    def saved_seconds(self) -> float:
        """What trainings took when another job did them."""
        return sum(run.device_seconds for run in self.runs if run.shared)

    @property
    def levels(self) -> tuple[LevelCost, ...]:
        """IMP's levels."""
        found: dict[int, list[RunCost]] = defaultdict(list)
        for run in self.runs:
            if run.level is not None:
                found[run.level].append(run)
        return tuple(
            LevelCost(
                level,
                sum(run.device_seconds for run in runs if not run.shared),
                sum(run.device_seconds for run in runs if run.shared),
            )
            for level, runs in sorted(found.items())
        )


@dataclass(frozen=True)
class StudyEntry:
    """A job of a study. `reused`: it was there before the study asked for it, and so is saved, not spent."""

    key: str
    kind: str
    arm: str
    cost: JobCost | None
    reused: bool

    @property
    def device_seconds(self) -> float:
        """Spent for this study."""
        return 0.0 if self.cost is None or self.reused else self.cost.device_seconds

    @property
    def lost_seconds(self) -> float:
        """Of these, in attempts without a result."""
        return 0.0 if self.cost is None or self.reused else self.cost.lost_seconds

    @property
    def saved_seconds(self) -> float:
        """What others had spent on it."""
        if self.cost is None:
            return 0.0
        return self.cost.saved_seconds + (self.cost.device_seconds if self.reused else 0.0)


@dataclass(frozen=True)
class Account:
    """The entries of an arm or a kind, added up."""

    name: str
    jobs: int
    device_seconds: float
    lost_seconds: float
    saved_seconds: float


@dataclass(frozen=True)
class StudyCost:
    """A study, job by job, and added up."""

    entries: tuple[StudyEntry, ...]

    @property
    def total(self) -> Account:
        """All of it."""
        return _account("total", self.entries)

    @property
    def arms(self) -> tuple[Account, ...]:
        """By the arm that needs the job; what more than one arm needs stands by itself."""
        return _accounts(self.entries, lambda entry: entry.arm)

    @property
    def kinds(self) -> tuple[Account, ...]:
        """By the kind of job."""
        return _accounts(self.entries, lambda entry: entry.kind)


def entry(job: Job, now: float | None = None) -> JobCost:
    """What a job took; an attempt under way counts until `now`."""
    devices = int(job.spec.get("devices") or 1)
    return JobCost(
        job.id,
        job.kind,
        job.state,
        devices,
        tuple(_attempt(attempt, devices, now) for attempt in job.attempts),
        tuple(_run(run, devices) for run in job.runs),
    )


def study(study: Study, cells: Sequence[Cell], now: float) -> StudyCost:
    """What a study took: each job once, though two keys may name it."""
    arms, seen, entries = _arms(cells), set[str](), []
    asked = {row.key: row for row in study.jobs}
    for row in study.jobs:
        cost = None if row.job is None else entry(row.job, now)
        reused = row.job is not None and (row.job.id in seen or _was_there(row, asked, study))
        entries.append(StudyEntry(row.key, row.kind, arms.get(row.key, SEVERAL), cost, reused))
        seen |= {row.job.id} if row.job else set()
    return StudyCost(tuple(entries))


def _attempt(attempt: Attempt, devices: int, now: float | None) -> AttemptCost:
    ended = attempt.ended_at if attempt.ended_at is not None else (now or attempt.started_at)
    seconds = max(0.0, ended - attempt.started_at) * devices
    lost = attempt.ended_at is not None and attempt.outcome != "succeeded"
    return AttemptCost(attempt.attempt, seconds, attempt.outcome, lost)


def _run(run: Run, devices: int) -> RunCost:
    # Trainings from before speeds were measured tell their seconds only.
    speed = run.speed or {"device_seconds": run.seconds * devices, "evaluation_seconds": 0.0}
    return RunCost(
        run.ordinal,
        run.architecture,
        run.dataset,
        run.seed,
        run.level,
        run.steps,
        speed["device_seconds"],
        speed["evaluation_seconds"],
        run.shared,
    )


def _was_there(row: StudyJob, asked: Mapping[str, StudyJob], study: Study) -> bool:
    """Whether the job was made before this study could ask for it: before the study, or the end of a job it needs."""
    assert row.job is not None
    needed = [asked[key].job for key in node(row).needs]
    first = max([study.created_at, *(job.finished_at or 0.0 for job in needed if job is not None)])
    return row.job.created_at < first


def _arms(cells: Iterable[Cell]) -> dict[str, str]:
    """By key, the one arm whose job it is."""
    needed: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        for key in (*cell.own, *cell.trained, *cell.shared):
            needed[key].add(cell.arm)
    return {key: next(iter(arms)) for key, arms in needed.items() if len(arms) == 1}


def _accounts(entries: Sequence[StudyEntry], name: Callable[[StudyEntry], str]) -> tuple[Account, ...]:
    by_name: dict[str, list[StudyEntry]] = defaultdict(list)
    for one in entries:
        by_name[name(one)].append(one)
    return tuple(_account(each, several) for each, several in by_name.items())


def _account(name: str, entries: Sequence[StudyEntry]) -> Account:
    return Account(
        name,
        len(entries),
        sum(one.device_seconds for one in entries),
        sum(one.lost_seconds for one in entries),
        sum(one.saved_seconds for one in entries),
    )
