"""What routes of jobs answer with. Written by `make client` from the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.client.answer import Answer

State = Literal["waiting", "queued", "running", "cancelling", "succeeded", "failed", "cancelled"]


class Progress(Answer):
    """How far a job is, in training steps."""

    done: int
    total: int
    doing: str
    fraction: float
    eta_seconds: float | None = None
    """at the rate of this attempt; null until some steps, and 2 seconds, show a steady one"""
    step_seconds: float | None = None
    """a step, at the same rate"""


class Attempt(Answer):
    """One try at a job."""

    attempt: int
    worker: str
    device: str | None = None
    """what it computed on, as its trainer said"""
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None


class Flops(Answer):
    """Floating-point operations per image of a forward and a backward pass, in convolutions and linear layers."""

    dense: int
    """of the whole network"""
    sparse: int
    """of the weights that survive"""


class Speed(Answer):
    """How fast a training went, and what it cost. Several small networks may have been trained at once."""

    mode: str
    """what it was computed with: precision, and exact, compiled or graphed"""
    replicates: int
    """trainings computed together, this one among them"""
    images_per_second: float | None = None
    """while training, of all `replicates`; null where no step was taken"""
    step_seconds: dict[str, float]
    """mean seconds of each part of a step of all `replicates`, sampled: data, forward, backward, masks,
    optimizer, or `graph` for all but the data of a captured step
    """
    training_flops: Flops
    peak_memory_bytes: int | None = None
    """most memory allocated: of a GPU by the trainer, on a CPU by the whole process; of several devices, on
    the first
    """
    device_seconds: float
    """seconds of all devices together, over all attempts; this training's share, like the two that follow"""
    evaluation_seconds: float
    """of these, on the test images"""
    energy_joules: float | None = None
    """used meanwhile by the device as a whole, of several by the first; null where it does not tell"""


class RunSummary(Answer):
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
    shared: bool
    """another job did this training; `seconds`, `speed` and `fingerprint` are of that time"""
    speed: Speed | None = None
    """null for a training from before speeds were measured"""
    fingerprint: dict[str, Any]
    """what `exact` holds within: versions, threads, device"""
    weights_digest: str


class LatencyMachine(Answer):
    """What the times are of: nothing is claimed for another machine."""

    device: str
    capability: str
    """the vector instructions that torch uses on the processor"""
    threads: int
    torch: str


class FormLatency(Answer):
    """The whole network in one form."""

    form: str
    """dense: pruned weights are multiplied as zeros; sparse: those layers that it pays for on their surviving
    weights alone; compacted: the smaller dense network without the channels that make no difference
    """
    ms: float | None
    """median milliseconds of a batch; null where there is no such form: no layer's sparse form pays, or no
    channel can be left out
    """
    faster: bool
    """faster than dense in four fifths of the rounds or more"""


class LayerLatency(Answer):
    """One prunable layer alone."""

    name: str
    density: float
    """survivors / size"""
    dense_ms: float
    """median milliseconds"""
    sparse_ms: float | None
    """of its surviving weights alone, as compressed sparse rows (CSR); null for what has no such form here:
    kernels larger than 1×1 and depthwise convolutions
    """
    pays: bool
    """sparse is faster than dense in four fifths of the rounds or more"""
    break_even: float | None
    """the largest of the densities 0.01, 0.02, 0.05, 0.1, 0.2 and 0.5 at which, as at all smaller ones, a
    random mask's sparse form is faster; null: at none
    """


class BatchLatency(Answer):
    """What was timed at one batch size, its forms in turns."""

    batch: int
    layout: str
    """of images in memory, channels first or channels last: that in which the dense network is faster"""
    forms: list[FormLatency]
    layers: list[LayerLatency]


class Latency(Answer):
    """A ticket's network, timed in evaluation mode and float32 on random images."""

    machine: LatencyMachine
    batches: list[BatchLatency]


class Result(Answer):
    """One measured accuracy: `last` after the last step, `best` test-selected, `evaluate`, or `between`."""

    dataset: str
    point: str
    accuracy: float
    """correct / total"""
    correct: int
    total: int
    loss: float
    epoch: int | None = None
    seed: int | None = None
    ticket: str | None = None
    run: int | None = None
    """the number of the job's run that was measured"""
    alpha: float | None = None
    """where between two trainings: 0 is the first, 1 the second"""
    latency: Latency | None = None
    """where it was asked for"""


class Outputs(Answer):
    """What a job has produced; complete once it has succeeded."""

    tickets: list[str]
    runs: list[RunSummary]
    device_seconds: float
    """seconds of a device that the runs took, all but those that another job did"""
    results: list[Result]
    barrier: float | None = None
    """of a connect job: the largest error on the line, less the mean of its two ends' errors"""


class Job(Answer):
    """One durable piece of work, with its attempts and what it produced."""

    id: str
    kind: Literal["find", "transform", "train", "evaluate", "connect", "import", "export", "noop"]
    state: State
    meaning: str
    """the state in words"""
    spec: dict[str, Any]
    """what it was asked to do, completely"""
    priority: int
    """who waits with a higher one is taken first"""
    progress: Progress | None = None
    worker: str | None = None
    """who holds it, or held it last"""
    attempt: int
    """tries so far"""
    max_attempts: int
    error: dict[str, Any] | None = None
    """why it failed: reason, message, and details such as where a file cannot be read"""
    retry_of: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    links: dict[str, str]
    attempts: list[Attempt]
    outputs: Outputs
    log_dropped_at: datetime | None = None
    """when its log was dropped, by age"""
    weights_dropped_at: datetime | None = None
    """when the weights of its trainings were dropped, by age"""


class Network(Answer):
    """A network by name, with the images and classes it takes."""

    architecture: str
    input: list[int]
    """[C, H, W]"""
    classes: int


class PlannedEntry(Answer):
    """One position of a target stage, and the source position that it is made of; fixed entries are counted."""

    target: int
    source: int
    fixed: bool
    """never replicated, never dropped"""
    copy_: bool = Field(alias="copy")
    """a second or later copy of its source"""


class PlannedStage(Answer):
    """A target stage, and the units of the source that are not carried."""

    name: str
    entries: list[PlannedEntry]
    dropped: list[int]
    """source positions that the target leaves out"""


class PlannedLayer(Answer):
    """One prunable tensor of the target, counted exactly."""

    tensor: str
    source: str | None
    """the source's tensor; null where it is drawn afresh"""
    size: int
    survivors: int
    sparsity: float


class Totals(Answer):
    """A ticket's figures."""

    prunable: int
    survivors: int
    sparsity: float
    """pruned / all prunable weights"""
    level: int | None
    """nominal IMP level"""


class TicketPlan(Answer):
    """What one ticket would become."""

    ticket: str
    source: Network
    target: Network
    hops: list[str]
    """the architectures passed through, the target last"""
    unit_map: str
    """the whole way as one explicit map, source:targets, stages joined by |"""
    stages: list[PlannedStage]
    fixed: list[str]
    """tensors that belong to no unit and are copied as they are"""
    fresh: list[str]
    """tensors that are drawn afresh, and are dense"""
    layers: list[PlannedLayer]
    before: Totals
    after: Totals
    rewind_step: int
    """where the new ticket would restart"""
    warnings: list[str]


class TransformPlan(Answer):
    """What a transformation would do; nothing has been done."""

    tickets: list[TicketPlan]


class JobSummary(Answer):
    """One durable piece of work."""

    id: str
    kind: Literal["find", "transform", "train", "evaluate", "connect", "import", "export", "noop"]
    state: State
    meaning: str
    """the state in words"""
    spec: dict[str, Any]
    """what it was asked to do, completely"""
    priority: int
    """who waits with a higher one is taken first"""
    progress: Progress | None = None
    worker: str | None = None
    """who holds it, or held it last"""
    attempt: int
    """tries so far"""
    max_attempts: int
    error: dict[str, Any] | None = None
    """why it failed: reason, message, and details such as where a file cannot be read"""
    retry_of: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    links: dict[str, str]


class Deleted(Answer):
    """What is left to say of something that was deleted."""

    id: str
    deleted_at: datetime


class Run(Answer):
    """One training, with its metrics per epoch."""

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
    shared: bool
    """another job did this training; `seconds`, `speed` and `fingerprint` are of that time"""
    speed: Speed | None = None
    """null for a training from before speeds were measured"""
    fingerprint: dict[str, Any]
    """what `exact` holds within: versions, threads, device"""
    weights_digest: str
    history: list[dict[str, Any]]


class AttemptEntry(Answer):
    """One try."""

    attempt: int
    device_seconds: float
    outcome: str | None = None
    lost: bool
    """it ended without a result; the next went on from what it had saved"""


class RunEntry(Answer):
    """One training, over all attempts."""

    number: int
    architecture: str
    dataset: str
    seed: int
    level: int | None = None
    steps: int
    device_seconds: float
    evaluation_seconds: float
    """of these, on the test images"""
    shared: bool
    """another job did it: saved, not spent"""


class LevelEntry(Answer):
    """The trainings of one IMP level, over all seeds."""

    level: int
    device_seconds: float
    saved_seconds: float


class JobLedger(Answer):
    """What a job took: its attempts, times the devices that it held."""

    job: str
    kind: str
    state: str
    devices: int
    device_seconds: float
    """of all attempts; one under way counts until now"""
    lost_seconds: float
    """of these, in attempts that ended without a result"""
    training_seconds: float
    """of these, in the trainings listed; the rest is the way to a rewind point, reading and writing"""
    evaluation_seconds: float
    """of the trainings, on the test images"""
    saved_seconds: float
    """not spent: what listed trainings took that another job did"""
    attempts: list[AttemptEntry]
    runs: list[RunEntry]
    levels: list[LevelEntry]
    """of a job that prunes by IMP"""


class ComparedRun(Answer):
    """One training, and where it ended."""

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
    shared: bool
    """another job did this training; `seconds`, `speed` and `fingerprint` are of that time"""
    speed: Speed | None = None
    """null for a training from before speeds were measured"""
    fingerprint: dict[str, Any]
    """what `exact` holds within: versions, threads, device"""
    weights_digest: str
    name: str
    """what its curves are called"""
    job: str
    accuracy: float | None = None
    """on the test images after the last step"""
    best_accuracy: float | None = None
    """at the best epoch: test-selected"""
    best_epoch: int | None = None
    test_loss: float | None = None
    """after the last step"""


class RunDifference(Answer):
    """A field that is not the same in all trainings."""

    group: str
    """where it stands: training, job, recipe, fingerprint"""
    field: str
    """dotted, where it is nested"""
    values: list[Any]
    """one for each training; null where one has no such field"""


class Point(Answer):
    """A mean and its sample standard deviation over seeds; one seed has none."""

    x: float
    y: float
    std: float | None = None


class Curve(Answer):
    """The points of one arm, by x. `level`: one value whatever x is, as the dense network's at every sparsity."""

    name: str
    points: list[Point]
    level: bool = False


class Chart(Answer):
    """Curves over one axis."""

    name: str
    title: str
    x: str
    y: str
    curves: list[Curve]
    kind: Literal["chart"] = "chart"


class RunComparison(Answer):
    """Trainings side by side."""

    runs: list[ComparedRun]
    differing: list[RunDifference]
    common: dict[str, dict[str, Any]]
    """what is the same in all, by group and field"""
    figures: list[Chart]
    """test accuracy, training loss and test loss by epoch"""
