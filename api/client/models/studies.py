"""What routes of studies answer with. Written by `make client` from the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.client.answer import Answer
from api.client.models.jobs import Chart


class StudyJob(Answer):
    """A job of a study."""

    key: str
    """what it is for: network, level, method, kind and seeds"""
    kind: str
    state: str
    """the job's state; `waiting` for others, or `blocked` by one that failed"""
    job: str | None = None
    """the job, once it was asked for; maybe an earlier, identical one"""
    fraction: float
    """how far it is"""
    needs: list[str]
    """the keys of the jobs whose tickets it takes"""
    error: dict[str, Any] | None = None


class Tally(Answer):
    """How many are the same, how many differ, how many are still to come."""

    same: int
    different: int
    to_come: int


class Deviation(Answer):
    """One thing that is not as in the archive; null: there is none."""

    key: str
    """the job's"""
    what: str
    """tickets, weights or accuracies; or state, of a job that did not succeed here"""
    number: int | None = None
    """which of the job's, from 0"""
    expected: str | float | None
    got: str | float | None


class Circumstance(Answer):
    """Something that the fingerprints do not agree in."""

    name: str
    """torch, numpy, device, cpu_capability, threads, devices, exact, mode, numerics"""
    archive: list[str | int | bool | None]
    here: list[str | int | bool | None]


class Reproduction(Answer):
    """How far an imported study has come out as its archive says.

    The same digests are promised for exact mode within one fingerprint only.
    """

    said: str
    """in a line"""
    complete: bool
    """whether nothing is still to come"""
    tickets: Tally
    """ids of tickets"""
    weights: Tally
    """digests of trained weights"""
    accuracies: Tally
    different: list[Deviation]
    same_fingerprint: bool | None
    """null as long as there is none to compare"""
    circumstances: list[Circumstance]


class Study(Answer):
    """A study with its jobs."""

    id: str
    spec: dict[str, Any]
    """what was asked, completely"""
    priority: int
    """of every job that it asks for"""
    created_at: datetime
    finished_at: datetime | None = None
    """when nothing was left to do; failed cells do not stop the others"""
    links: dict[str, str]
    counts: dict[str, int]
    """its jobs, by state"""
    jobs: list[StudyJob]
    reproduction: Reproduction | None = None
    """of an imported study: how far it has come out as in its archive"""


class PlannedJob(Answer):
    """A job that a study would ask for."""

    key: str
    kind: str
    trainings: float
    """that it would do itself, each counted whole"""
    steps: int
    """optimiser steps that it would take"""
    device_seconds: float | None = None
    """that it would take; null where not known"""
    done: str | None = None
    """the identical job that has finished: it costs nothing"""


class PlannedStudy(Answer):
    """What a study would ask for, and what that would take."""

    jobs: dict[str, int]
    """jobs by kind"""
    keys: list[str]
    cells: int
    """rows of its table"""
    planned: list[PlannedJob]
    """every job, after those that it needs"""
    trainings: float
    """that are yet to be done, each once"""
    device_seconds: float | None = None
    """of all jobs; null where it is not known of one"""
    assumptions: list[str]
    """what the seconds were worked out from"""


class StudySummary(Answer):
    """A set of jobs whose results form a table."""

    id: str
    spec: dict[str, Any]
    """what was asked, completely"""
    priority: int
    """of every job that it asks for"""
    created_at: datetime
    finished_at: datetime | None = None
    """when nothing was left to do; failed cells do not stop the others"""
    links: dict[str, str]


class Replicate(Answer):
    """One trained network of a cell."""

    seed: int
    accuracy: float
    """on the test images after the last step"""
    sparsity: float
    best: float | None = None
    """at the best epoch, which is test-selected"""
    best_epoch: int | None = None
    order_seed: int | None = None
    """of the data order it was trained in"""
    ticket: str | None = None
    """the ticket it started from"""
    dead: int | None = None
    """neurons of the hidden fully connected layers that no surviving weight enters, or none leaves"""


class StudieDifference(Answer):
    """A row's accuracy less that of the row it is held against, over the seeds that both have."""

    to: str
    """that row's arm: IMP's own ticket, or the dense network where no row is IMP's"""
    mean: float
    """as a share, as accuracies are"""
    pairs: int
    p: float | None = None
    """two-sided paired t-test; null for one pair, and where all differences are the same"""


class Published(Answer):
    """What the paper states of the same cell."""

    accuracy: float
    """as a share"""
    where: str
    assumed: str | None = None
    """what had to be assumed to find its place"""


class Cell(Answer):
    """A row of the table, as numbers."""

    dataset: str
    network: str
    level: int
    arm: str
    method: str
    source: str | None = None
    """whose ticket was stretched"""
    found_on: str | None = None
    """where that was found, if it was elsewhere"""
    replicates: list[Replicate]
    complete: bool
    difference: StudieDifference | None = None
    published: Published | None = None
    lines: list[list[tuple[float, float]]] = Field(default=[])
    """between two trainings of a ticket: α and accuracy; a line per replicate"""
    barriers: list[float] = Field(default=[])
    """of each line: how far accuracy falls at most below the straight line between its ends"""
    trainings: float
    """per seed, this cell's own"""
    seconds: float
    """of its trainings, per seed; what another job did counts in full"""
    shared_trainings: float
    """per seed, done once for several cells"""
    shared_seconds: float
    jobs: list[str]
    """keys of the jobs that trained it"""


class Table(Answer):
    """A study's table: as text, and the numbers behind it."""

    columns: list[str]
    """those that have something to show"""
    rows: list[list[str]]
    notes: list[str]
    """what the numbers are"""
    cells: list[Cell]


class HeatMap(Answer):
    """A value per source (row) and target (column); None where there is none."""

    name: str
    title: str
    x: str
    y: str
    columns: list[str]
    rows: list[str]
    values: list[list[float | None]]
    kind: Literal["map"] = "map"


class Figures(Answer):
    """A study's figures, as data."""

    figures: list[Chart | HeatMap]


class Account(Answer):
    """Entries added up."""

    name: str
    jobs: int
    device_seconds: float
    """spent for this study"""
    lost_seconds: float
    """of these, in attempts that ended without a result"""
    saved_seconds: float
    """not spent: what jobs and trainings took that were there already"""


class LedgerJob(Answer):
    """One job of a study."""

    key: str
    kind: str
    arm: str
    """the row of the table that needs it; `several` where more than one does"""
    job: str | None = None
    """null where it was not asked for yet"""
    reused: bool
    """it was there before this study asked for it"""
    device_seconds: float
    lost_seconds: float
    saved_seconds: float


class StudyLedger(Answer):
    """What a study took, by arm, by kind and by job."""

    total: Account
    arms: list[Account]
    kinds: list[Account]
    jobs: list[LedgerJob]


class PlannedExtension(Answer):
    """What an extension would ask for beside what the study has."""

    jobs: dict[str, int]
    """jobs that would be added, by kind"""
    keys: list[str]
    cells: int
    """rows that would come to its table"""
    gone: list[str]
    """keys of jobs that others take the place of, with the same trainings and more"""


class Share(Answer):
    """What a plan asks of one network."""

    network: str
    trainings: float
    steps: int
    """optimiser steps that are taken"""
    hours: float | None = None
    """of all devices together at work, counted whole"""
    rewound_hours: float | None = None
    """the same, where what lies before the rewind point is trained once"""


class Way(Answer):
    """One method's way to the targets."""

    name: str
    method: str
    source: str | None = None
    """whose ticket is stretched"""
    networks: list[Share]
    trainings: float
    steps: int
    hours: float | None = None
    """of all devices together at work, every training counted whole as E-LTH's appendix B does; null where
    nothing tells how long a training lasts
    """
    rewound_hours: float | None = None
    """the same, where what lies before the rewind point is trained once"""
    device_hours: float | None = None
    """`hours` times devices"""
    money: float | None = None
    """`device_hours` times the price"""


class Plan(Answer):
    """Every method's cost, and the cheapest."""

    plans: list[Way]
    cheapest: str | None = None
    """by name, of those that end in sparse networks; by steps where hours are not known"""
    cheapest_source: str | None = None
    """whose ticket is stretched for least"""
    currency: str | None = None
    """of `money`"""
    assumptions: list[str]
