"""Jobs as the API takes and shows them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, WithJsonSchema

from api.jobs import examples
from api.jobs.latency import Latency
from core.catalog.jobs import CANCELLABLE
from core.catalog.queue import HIGHEST, LOWEST, NOT_BEGUN
from core.catalog.tables import Attempt, Job, Result, Run
from core.jobs.methods import FINDING, Parameters
from core.jobs.specs import ConnectSpec, EvaluateSpec, FindSpec, TrainSpec, TransformSpec
from core.jobs.states import RETRYABLE, STATES, State

Kind = Literal["find", "transform", "train", "evaluate", "connect", "import", "export"]
AnyKind = Literal[Kind, "noop"]
"""What a job may be, and nobody asks for: nothing."""

_PARAMETERS = {
    "anyOf": [method.parameters.model_json_schema() | {"title": method.name} for method in FINDING.values()],
    "description": "the method's parameters, as /methods describes them",
}


class FindRequest(FindSpec):
    """What to find: one ticket per seed."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.FIND]})

    parameters: Annotated[SerializeAsAny[Parameters], WithJsonSchema(_PARAMETERS)] = Field(
        default_factory=Parameters, validate_default=True
    )


class TransformRequest(TransformSpec):
    """What to stretch or squeeze, and into what."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TRANSFORM]})


class TrainRequest(TrainSpec):
    """What to train, on what."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TRAIN]})


class EvaluateRequest(EvaluateSpec):
    """What to measure, on what."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.EVALUATE]})


class ConnectRequest(ConnectSpec):
    """Which two trainings to connect."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CONNECT]})


class Progress(BaseModel):
    """How far a job is, in training steps."""

    done: int
    total: int
    doing: str
    fraction: float
    eta_seconds: float | None = Field(
        default=None,
        description="at the rate of this attempt; null until some steps, and 2 seconds, show a steady one",
    )
    step_seconds: float | None = Field(default=None, description="a step, at the same rate")

    @classmethod
    def of(cls, progress: dict[str, Any], state: str) -> Progress:
        """The progress that a job's row states."""
        done, total = progress["done"], progress["total"]
        eta = progress.get("eta_seconds") if state == State.RUNNING else None
        return cls(
            done=done,
            total=total,
            doing=progress["doing"],
            fraction=min(done / total, 1.0) if total else 0.0,
            eta_seconds=eta,
            step_seconds=eta / (total - done) if eta is not None and done < total else None,
        )


class JobSummary(BaseModel):
    """One durable piece of work."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.RUNNING]})

    id: str
    kind: AnyKind
    state: State
    meaning: str = Field(description="the state in words")
    spec: dict[str, Any] = Field(description="what it was asked to do, completely")
    priority: int = Field(description="who waits with a higher one is taken first")
    progress: Progress | None = None
    worker: str | None = Field(default=None, description="who holds it, or held it last")
    attempt: int = Field(description="tries so far")
    max_attempts: int
    error: dict[str, Any] | None = Field(
        default=None,
        description="why it failed: reason, message, and details such as where a file cannot be read",
    )
    retry_of: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    links: dict[str, str]

    @classmethod
    def fields(cls, job: Job) -> dict[str, Any]:
        """A row's values."""
        shown = (
            "id",
            "kind",
            "state",
            "spec",
            "priority",
            "worker",
            "attempt",
            "max_attempts",
            "error",
            "retry_of",
        )
        times = ("created_at", "started_at", "finished_at")
        return {name: getattr(job, name) for name in (*shown, *times)} | {
            "meaning": STATES[State(job.state)].meaning,
            "progress": job.progress and Progress.of(job.progress, job.state),
            "links": links(job),
        }

    @classmethod
    def of(cls, job: Job) -> JobSummary:
        """A row as a list shows it."""
        return cls(**cls.fields(job))


class AttemptBody(BaseModel):
    """One try at a job."""

    attempt: int
    worker: str
    device: str | None = Field(default=None, description="what it computed on, as its trainer said")
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None

    @classmethod
    def of(cls, attempt: Attempt) -> AttemptBody:
        """A row."""
        return cls.model_validate(attempt, from_attributes=True)


class Flops(BaseModel):
    """Floating-point operations per image of a forward and a backward pass, in convolutions and linear layers."""

    dense: int = Field(description="of the whole network")
    sparse: int = Field(description="of the weights that survive")


class Speed(BaseModel):
    """How fast a training went, and what it cost. Several small networks may have been trained at once."""

    mode: str = Field(description="what it was computed with: precision, and exact, compiled or graphed")
    replicates: int = Field(description="trainings computed together, this one among them")
    images_per_second: float | None = Field(
        default=None, description="while training, of all `replicates`; null where no step was taken"
    )
    step_seconds: dict[str, float] = Field(
        description="mean seconds of each part of a step of all `replicates`, sampled: data, forward, backward, masks,"
        " optimizer, or `graph` for all but the data of a captured step"
    )
    training_flops: Flops
    peak_memory_bytes: int | None = Field(
        default=None,
        description="most memory allocated: of a GPU by the trainer, on a CPU by the whole process; of several devices,"
        " on the first",
    )
    device_seconds: float = Field(
        description="seconds of all devices together, over all attempts; this training's share, like the two that"
        " follow"
    )
    evaluation_seconds: float = Field(description="of these, on the test images")
    energy_joules: float | None = Field(
        default=None,
        description="used meanwhile by the device as a whole, of several by the first; null where it does not tell",
    )


class RunSummary(BaseModel):
    """One training."""

    number: int
    architecture: str
    dataset: str
    ticket: str | None = None
    seed: int
    order_seed: int
    level: int | None = None
    sparsity: float
    start_step: int
    steps: int
    seconds: float
    shared: bool = Field(
        description="another job did this training; `seconds`, `speed` and `fingerprint` are of that time"
    )
    speed: Speed | None = Field(
        default=None, description="null for a training from before speeds were measured"
    )
    fingerprint: dict[str, Any] = Field(description="what `exact` holds within: versions, threads, device")
    weights_digest: str

    @classmethod
    def of(cls, run: Run) -> Self:
        """A row."""
        values = {name: getattr(run, name) for name in cls.model_fields if name not in ("number", "ticket")}
        return cls(number=run.ordinal, ticket=run.ticket_id, **values)


class RunBody(RunSummary):
    """One training, with its metrics per epoch."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.RUN]})

    history: list[dict[str, Any]]


class ResultBody(BaseModel):
    """One measured accuracy: `last` after the last step, `best` test-selected, `evaluate`, or `between`."""

    dataset: str
    point: str
    accuracy: float = Field(description="correct / total")
    correct: int
    total: int
    loss: float
    epoch: int | None = None
    seed: int | None = None
    ticket: str | None = None
    run: int | None = Field(default=None, description="the number of the job's run that was measured")
    alpha: float | None = Field(
        default=None, description="where between two trainings: 0 is the first, 1 the second"
    )
    latency: Latency | None = Field(default=None, description="where it was asked for")

    @classmethod
    def of(cls, result: Result) -> ResultBody:
        """A row."""
        values = {
            name: getattr(result, name) for name in cls.model_fields if name not in ("accuracy", "ticket")
        }
        return cls(accuracy=result.correct / result.total, ticket=result.ticket_id, **values)


class Outputs(BaseModel):
    """What a job has produced; complete once it has succeeded."""

    tickets: list[str]
    runs: list[RunSummary]
    device_seconds: float = Field(
        description="seconds of a device that the runs took, all but those that another job did"
    )
    results: list[ResultBody]
    barrier: float | None = Field(
        default=None,
        description="of a connect job: the largest error on the line, less the mean of its two ends' errors",
    )


def barrier(results: Iterable[Result]) -> float | None:
    """The error barrier between two trainings, as a share of the images: the largest error on the line between
    them, minus the mean of its ends' (Frankle et al. 2020, Linear Mode Connectivity, section 2).
    """
    errors = {row.alpha: 1 - row.correct / row.total for row in results if row.alpha is not None}
    return max(errors.values()) - (errors[0] + errors[1]) / 2 if {0, 1} <= errors.keys() else None


def device_seconds(runs: Iterable[Run]) -> float:
    """What the trainings cost that were done here; before speeds were measured, each was on one device."""
    return sum(
        run.seconds if run.speed is None else run.speed["device_seconds"] for run in runs if not run.shared
    )


class PriorityChange(BaseModel):
    """Another place in the queue."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"priority": 50}]})

    priority: int = Field(ge=LOWEST, le=HIGHEST, strict=True)


class JobBody(JobSummary):
    """One durable piece of work, with its attempts and what it produced."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SUCCEEDED]})

    attempts: list[AttemptBody]
    outputs: Outputs
    log_dropped_at: datetime | None = Field(default=None, description="when its log was dropped, by age")
    weights_dropped_at: datetime | None = Field(
        default=None, description="when the weights of its trainings were dropped, by age"
    )

    @classmethod
    def of(cls, job: Job) -> JobBody:
        """A row, with the rows that belong to it."""
        outputs = Outputs(
            tickets=list(dict.fromkeys(origin.ticket_id for origin in job.outputs)),
            runs=[RunSummary.of(run) for run in job.runs],
            device_seconds=device_seconds(job.runs),
            results=[ResultBody.of(result) for result in job.results],
            barrier=barrier(job.results),
        )
        attempts = [AttemptBody.of(attempt) for attempt in job.attempts]
        dropped: dict[str, Any] = {
            "log_dropped_at": job.log_dropped_at,
            "weights_dropped_at": job.weights_dropped_at,
        }
        return cls(**cls.fields(job), **dropped, attempts=attempts, outputs=outputs)


def may_retry(job: Job) -> bool:
    """Whether a job's spec may be tried again as a new job; an import's file is gone with the job that read it."""
    return State(job.state) in RETRYABLE and job.kind != "import"


def links(job: Job) -> dict[str, str]:
    """Where a job can be read, and what may be done with it in its state."""
    here, state = f"/jobs/{job.id}", State(job.state)
    found = {"self": here} | {name: f"{here}/{name}" for name in ("events", "log", "runs")}
    if state in CANCELLABLE:
        found["cancel"] = f"{here}/cancel"
    if state in NOT_BEGUN:
        found["prioritise"] = here
    if may_retry(job):
        found["retry"] = f"{here}/retry"
    if job.retry_of is not None:
        found["retry_of"] = f"/jobs/{job.retry_of}"
    return found
