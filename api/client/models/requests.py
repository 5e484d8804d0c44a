"""Bodies that routes take. Written by `make client` from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypeAlias, TypedDict


class UploadRequest(TypedDict, total=False):
    """A file that is to be sent to the object store."""

    size: Required[int]
    """bytes of the file"""
    sha256: Required[str]
    """its SHA-256, in hexadecimal digits"""


class RecipeChoice(TypedDict, total=False):
    """A recipe as a request states it: a preset, and the fields that differ from it."""

    preset: (
        Literal[
            "mlp",
            "lenet5",
            "cifar_resnet",
            "cifar_vgg",
            "cifar_mobilenetv1",
            "imagenet_resnet",
            "cifarhe_resnet",
        ]
        | None
    )
    """default: the preset of the architecture's family"""
    length: str | None
    batch: int | None
    lr: float | None
    momentum: float | None
    weight_decay: float | None
    milestones: Sequence[str] | None
    gamma: float | None
    warmup: str | None
    rewind: str | None
    augment: bool | None
    dense: Sequence[str] | None
    nesterov: bool | None
    decay: Literal["all", "weights"] | None
    label_smoothing: float | None
    optimizer: Literal["sgd", "adam"] | None
    schedule: Literal["steps", "cosine"] | None


class FindRequest(TypedDict, total=False):
    """What to find: one ticket per seed."""

    dataset: Required[str]
    """dataset to train on, as /datasets lists them"""
    fresh: bool
    """do all of it again, even where an identical job, or one that began alike, has finished"""
    device: Literal["any", "cpu", "gpu"]
    """any: on GPUs where the worker has some, else on its CPU"""
    memory_mib: int | None
    """memory that it needs, in MiB: of each GPU, or of the machine for each process; default: the share of one
    of the worker's slots
    """
    recipe: RecipeChoice
    """a preset (default: the family's) and the fields that differ from it"""
    exact: bool
    """deterministic algorithms: the same digests on every run"""
    devices: int
    """train on so many at once, each batch split among them: GPUs, or processes where there is none"""
    batch_norm: Literal["global", "local"]
    """on several devices: statistics of the whole batch, as on one, or of each device's share of it"""
    architecture: Required[str]
    """canonical name, as /architectures lists them"""
    method: str
    """pruning method, as /methods lists them"""
    parameters: Mapping[str, Any]
    """the method's parameters, as /methods describes them"""
    seeds: Sequence[int]
    """one ticket is found per seed"""


Order: TypeAlias = Literal["append", "interpolate", "drop_last", "drop_first", "drop_even"]


class Hop(TypedDict, total=False):
    """One stretch or squeeze: a member of the family, and which source unit each of its units is made of."""

    architecture: Required[str]
    """the target, of the same family"""
    order: Order | Mapping[str, Order] | None
    """a named order, for all stages or by the name of each; default: append or drop_last, as needed"""
    unit_map: str | None
    """instead: an explicit map, source:targets, stages joined by |"""
    replicate: Mapping[str, Sequence[int]] | None
    """by stage, the source units (positions) that may be replicated; default: all"""


class TransformRequest(TypedDict, total=False):
    """What to stretch or squeeze, and into what."""

    architecture: Required[str]
    """the target, of the same family"""
    order: Order | Mapping[str, Order] | None
    """a named order, for all stages or by the name of each; default: append or drop_last, as needed"""
    unit_map: str | None
    """instead: an explicit map, source:targets, stages joined by |"""
    replicate: Mapping[str, Sequence[int]] | None
    """by stage, the source units (positions) that may be replicated; default: all"""
    dataset: str | None
    """refit input and classes to this dataset"""
    fresh: bool
    """do all of it again, even where an identical job, or one that began alike, has finished"""
    tickets: Required[Sequence[str]]
    """the tickets to transform, one per replicate"""
    via: Sequence[Hop]
    """members of the source's width to pass through first, each made of the one before"""
    weights: Literal["replicate", "reinit"]
    """reinit: carry the mask only, over weights drawn from the ticket's seed"""
    permute: int | None
    """shuffle the masks of replicated copies with this seed (ablation)"""
    norm: Literal["copy", "fresh"]
    """fresh: replicated copies start with untrained normalisation (ablation)"""
    start: Literal["rewind", "zero"]
    """zero: lay the mask over the weights of step 0 (ablation)"""
    noise: float
    """width only: relative noise on replicated channels; exact twins (0) never diverge in training"""
    head: Literal["fresh", "copy"] | None
    """the last layer; default: copy, or fresh where the class count differs"""
    stem: Literal["fresh", "copy"]
    """the first layer; one that does not fit the input must be asked to be fresh"""


class DynamicParameters(TypedDict, total=False):
    """A mask that changes during training, or, static, does not: RigL, SET and their baseline."""

    survivors: int | None
    """weights that survive, of all prunable weights"""
    sparsity: float | None
    """instead: the share that is pruned, ⌊sparsity · all⌋ weights"""
    method: Literal["rigl", "set", "static"]
    """what grows: the largest gradients, random weights, or nothing"""
    scope: Literal["uniform", "erk"]
    """each layer's density"""
    alpha: float
    """share of a layer's weights replaced at first"""
    every: int
    """steps between updates, ΔT"""
    begin: int
    """the step of the first update"""
    end: float
    """no update after this share of the run"""
    multiplier: int
    """train so many times longer: every duration of the recipe is multiplied"""


class TrainRequest(TypedDict, total=False):
    """What to train, on what."""

    dataset: Required[str]
    """dataset to train on, as /datasets lists them"""
    fresh: bool
    """do all of it again, even where an identical job, or one that began alike, has finished"""
    device: Literal["any", "cpu", "gpu"]
    """any: on GPUs where the worker has some, else on its CPU"""
    memory_mib: int | None
    """memory that it needs, in MiB: of each GPU, or of the machine for each process; default: the share of one
    of the worker's slots
    """
    recipe: RecipeChoice
    """a preset (default: the family's) and the fields that differ from it"""
    exact: bool
    """deterministic algorithms: the same digests on every run"""
    devices: int
    """train on so many at once, each batch split among them: GPUs, or processes where there is none"""
    batch_norm: Literal["global", "local"]
    """on several devices: statistics of the whole batch, as on one, or of each device's share of it"""
    tickets: Sequence[str] | None
    """tickets to train"""
    architecture: str | None
    """instead: a network to train, dense but for a sparsity_schedule"""
    seeds: Sequence[int] | None
    """one per ticket (default: the seed each was found with), or the network's replicates"""
    order_seeds: Sequence[int] | None
    """train every ticket once per data order, instead of under its own seed's"""
    sparsity_schedule: DynamicParameters | None
    """train the network sparsely from the start, with masks that change on the way"""


class EvaluateRequest(TypedDict, total=False):
    """What to measure, on what."""

    dataset: Required[str]
    """dataset whose test images are used"""
    fresh: bool
    """do all of it again, even where an identical job, or one that began alike, has finished"""
    device: Literal["any", "cpu", "gpu"]
    """any: on GPUs where the worker has some, else on its CPU"""
    memory_mib: int | None
    """memory that it needs, in MiB: of each GPU, or of the machine for each process; default: the share of one
    of the worker's slots
    """
    tickets: Sequence[str] | None
    """tickets to evaluate at their rewind point"""
    job: str | None
    """instead: a train job, to evaluate what it trained"""
    latency: bool
    """time each ticket's network too: dense, sparse and compacted, on the device that does the job; no earlier
    job answers such a request
    """


class TrainingRef(TypedDict, total=False):
    """One training of a finished train job."""

    job: Required[str]
    """a job's id"""
    run: int
    """the number of the training in its job"""


class ConnectRequest(TypedDict, total=False):
    """Which two trainings to connect."""

    dataset: str | None
    """default: what the trainings were trained on"""
    fresh: bool
    """do all of it again, even where an identical job, or one that began alike, has finished"""
    device: Literal["any", "cpu", "gpu"]
    """any: on GPUs where the worker has some, else on its CPU"""
    memory_mib: int | None
    """memory that it needs, in MiB: of each GPU, or of the machine for each process; default: the share of one
    of the worker's slots
    """
    trainings: Required[Sequence[TrainingRef]]
    """two trainings of one ticket, the ends of the line"""
    points: int
    """α values from 0 to 1, both included"""


class PriorityChange(TypedDict, total=False):
    """Another place in the queue."""

    priority: Required[int]


class Arm(TypedDict, total=False):
    """A method that competes: the stretched ticket, IMP's own, the dense network, or any method of /methods.

    One that has a budget, and is given none here, keeps exactly as many weights as the stretched ticket of
    its seed.
    """

    name: Required[str]
    """the row's name"""
    method: Required[str]
    """ett, dense, or a method as /methods lists them"""
    parameters: Mapping[str, Any]
    """the method's parameters; of ett, those of /transform"""


class StudyRequest(TypedDict, total=False):
    """What to compare: a recipe by name, with fields that differ from it, or every field."""

    study: str | None
    """rivals, elth_depth, elth_vgg_depth, elth_fc, elth_fc_vgg, elth_dataset, elth_imagenet_to_cifar,
    elth_imagenet, elth_cost, elth_vs_rigl, elth_orders, elth_width, elth_lmc: fields that are not given
    here are its own
    """
    scale: Literal["paper", "small"]
    """of a study by name; small: for a CPU, on data that is always there"""
    datasets: Sequence[str]
    """targets are trained on each, as /datasets lists them"""
    found_on: Sequence[str] | None
    """where the tickets that are stretched are found; default: on the dataset itself"""
    sources: Sequence[str]
    """networks whose tickets are stretched; rivals follow the first's"""
    targets: Sequence[str]
    """networks that they are stretched or squeezed to, of the same family"""
    levels: Sequence[int]
    """IMP levels of the tickets"""
    arms: Sequence[Arm]
    """the rows of every target's table"""
    orders: Sequence[Order]
    """arms of stretched tickets that state no order: once per order that fits; default: append or drop_last"""
    seeds: Sequence[int]
    """replicates; ticket r is trained under seed r"""
    recipe: RecipeChoice
    """of every training; default: the family's preset"""
    recipes: Mapping[str, RecipeChoice]
    """by dataset, what differs from `recipe` in trainings on it"""
    connect: bool
    """train every ticket under two data orders, and measure the networks on the line between"""
    exact: bool
    """deterministic algorithms: the same digests on every run"""


class ExtensionRequest(TypedDict, total=False):
    """What to add to a study: each list is appended to the study's own."""

    datasets: Sequence[str]
    """to train the targets on"""
    sources: Sequence[str]
    """networks whose tickets are stretched"""
    targets: Sequence[str]
    """networks that they are stretched to"""
    levels: Sequence[int]
    """IMP levels of the tickets"""
    arms: Sequence[Arm]
    """rows of every target's table"""
    orders: Sequence[Order]
    """how units are mapped"""
    seeds: Sequence[int]
    """replicates"""


class PlanRequest(TypedDict, total=False):
    """A sparse network for each target: what would it cost, by which method?"""

    dataset: Required[str]
    """dataset to find tickets and train on, as /datasets lists them"""
    targets: Required[Sequence[str]]
    """members of one family that are wanted"""
    level: int
    """IMP level of the tickets"""
    methods: Sequence[str]
    """elth: one ticket, stretched and squeezed to all targets; dense: for comparison; or as /methods lists
    them
    """
    source: str | None
    """whose ticket is stretched; default: every target in turn"""
    sources: Sequence[str]
    """members that it may be too, besides the targets"""
    seeds: int
    """how often everything is done"""
    recipe: RecipeChoice
    """of every training; default: the family's preset"""
    hours: Mapping[str, float]
    """what one whole training of a network takes on all devices; default: as measured here"""
    devices: int
    """that work together on each training"""
    multiplier: int
    """how many times longer rigl, set and static train"""
    price: float | None
    """of one device for one hour"""
    currency: str
    """ISO 4217"""


class StagePattern(TypedDict, total=False):
    """Modules that repeat: `pattern` is the beginning of their tensors' names, `{unit}` standing for the
    number.

    `fixed` lists positions in this stage that are never replicated and never dropped: 0, 1 … at its head,
    −1, −2 … at its tail, which moves with the depth. Stages that share one numbering say which `units`
    (first and last number) of the example are theirs.
    """

    name: Required[str]
    pattern: Required[str]
    fixed: Sequence[int]
    units: tuple[int, int] | None


class Typed(TypedDict, total=False):
    """A shape with its type."""

    shape: Required[Sequence[int]]
    dtype: Literal["F32", "I64"]


class ExampleTensor(TypedDict, total=False):
    """One entry of the example's state dict; a scalar has no dimensions."""

    name: Required[str]
    shape: Required[Sequence[int]]
    dtype: Literal["F32", "I64"]


class Definition(TypedDict, total=False):
    """A family of networks that differ in how often units repeat, described by one example of it.

    `tensors` lists the example's state dict in order, as an object name → shape (or {shape, dtype}) or as a
    list. Prunable are the tensors of two dimensions or more that match a glob of `prunable` and none of
    `dense`. `input` [C, H, W] and `classes` may be left out where they mean nothing. A member has the
    example's order, the units of a stage one after another where the first of them stands; it breaks ties
    in pruning.
    """

    name: Required[str]
    input: tuple[int, int, int] | None
    classes: int | None
    stages: Sequence[StagePattern]
    prunable: Required[Sequence[str]]
    dense: Sequence[str]
    tensors: Required[Mapping[str, Sequence[int] | Typed] | Sequence[ExampleTensor]]


class PoolChange(TypedDict, total=False):
    """Whether a worker takes jobs."""

    drained: Required[bool]
    """true: it takes no more jobs; false: it takes jobs again"""
    at_once: bool
    """with drained: its jobs save their state and go back to the queue, instead of being finished"""


class KeyRequest(TypedDict, total=False):
    """A key to be made, to the project of the key that asks for it."""

    name: Required[str]
    """what it is for: shown in lists"""
    scope: Literal["read", "write", "admin"]
    """read looks; write also uploads, asks for jobs and steers them; admin also makes keys"""
    days: int | None
    """how long it is good; null: until it is revoked"""
