"""What a job is asked to do. A stored spec is complete: nothing in it depends on a default that may change."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)

from core.elastic.unit_map import LONGEST_TEXT, Order
from core.families import architecture
from core.families.definition import TIMM
from core.jobs.datasets import DATASETS
from core.jobs.formats import FORMATS
from core.jobs.methods import FINDING, METHODS, DynamicParameters, Parameters
from core.jobs.recipes import Recipe, RecipeChoice

MOST_UNITS = 4096

TicketId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{64}$", description="a ticket's id", examples=["9f2c" * 16])
]
JobId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="a job's id", examples=["4b1d" * 8])]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Position = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
Side = Annotated[int, Field(ge=1, le=4096)]
Seeds = Annotated[list[Seed], Field(min_length=1, max_length=64)]
Tickets = Annotated[list[TicketId], Field(min_length=1, max_length=64)]
ArchitectureName = Annotated[
    str, Field(min_length=1, max_length=64, description="canonical name, as /architectures lists them")
]


def _distinct(values: list[Any]) -> list[Any]:
    if len(set(values)) != len(values):
        raise ValueError("each may be given once")
    return values


def _known_dataset(name: str) -> str:
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}; accepted: {', '.join(DATASETS)}")
    return name


def _check_built_in(name: str, dataset: str) -> None:
    """Raise `UnknownArchitecture` for a name that cannot be trained on a dataset; timm's are for a worker to judge."""
    if not name.startswith(TIMM):
        facts = DATASETS[dataset]
        architecture(name, facts.input, facts.classes)


class Spec(BaseModel):
    """Base of every job's spec."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str | None = None

    @field_validator("dataset")
    @classmethod
    def _dataset_is_known(cls, name: str | None) -> str | None:
        return name if name is None else _known_dataset(name)


class Reusable(Spec):
    """Base of the jobs that a finished identical one answers: what they come to follows from their spec."""

    fresh: bool = Field(
        default=False,
        description="do all of it again, even where an identical job, or one that began alike, has finished",
    )


class Computing(Reusable):
    """Base of the jobs that compute with networks. Where they do has no part in what they come to."""

    device: Literal["any", "cpu", "gpu"] = Field(
        default="any", description="any: on GPUs where the worker has some, else on its CPU"
    )
    memory_mib: int | None = Field(
        default=None,
        ge=1,
        le=2**24,
        description="memory that it needs, in MiB: of each GPU, or of the machine for each process; default: the share"
        " of one of the worker's slots",
    )


class Trained(Computing):
    """What every job that trains has: a dataset, a recipe, and whether it must be exact."""

    dataset: str = Field(description="dataset to train on, as /datasets lists them")
    recipe: RecipeChoice = Field(
        default_factory=RecipeChoice,
        description="a preset (default: the family's) and the fields that differ from it",
    )
    exact: bool = Field(default=False, description="deterministic algorithms: the same digests on every run")
    devices: int = Field(
        default=1,
        ge=1,
        le=64,
        description="train on so many at once, each batch split among them: GPUs, or processes where there is none",
    )
    batch_norm: Literal["global", "local"] = Field(
        default="global",
        description="on several devices: statistics of the whole batch, as on one, or of each device's share of it",
    )

    def complete(self, family: str | None) -> Self:
        """The spec with every field of its recipe written out; `family` names the preset where the recipe does not.

        Raises `ValueError` where that leaves a field open.
        """
        return self.model_copy(update={"recipe": RecipeChoice.complete(self.recipe.resolve(family))})

    @property
    def full_recipe(self) -> Recipe:
        """The recipe of a completed spec."""
        return self.recipe.resolve(None)


class FindSpec(Trained):
    """Find one ticket per seed on an architecture and a dataset."""

    kind: Literal["find"] = "find"
    architecture: ArchitectureName
    method: str = Field(default="imp", description="pruning method, as /methods lists them")
    parameters: SerializeAsAny[Parameters] = Field(
        default_factory=Parameters,
        validate_default=True,
        description="the method's parameters; the defaults are in /methods",
    )
    seeds: Annotated[Seeds, Field(description="one ticket is found per seed")] = [0]

    _seeds_differ = field_validator("seeds")(_distinct)

    @field_validator("method")
    @classmethod
    def _method_is_known(cls, name: str) -> str:
        if name in METHODS and name not in FINDING:
            raise ValueError(f"{name} changes its mask in training: POST /train with sparsity_schedule")
        if name not in FINDING:
            raise ValueError(f"unknown method {name!r}; accepted: {', '.join(FINDING)}")
        return name

    @field_validator("parameters", mode="before")
    @classmethod
    def _parameters_are_the_methods(cls, given: Any, info: ValidationInfo) -> Any:
        if "method" not in info.data:
            raise ValueError("cannot be checked without a known method")
        if isinstance(given, Parameters):
            given = given.model_dump()
        return FINDING[info.data["method"]].parameters.model_validate(given)

    @model_validator(mode="after")
    def _architecture_takes_the_dataset(self) -> Self:
        _check_built_in(self.architecture, self.dataset)
        return self


class Hop(BaseModel):
    """One stretch or squeeze: a member of the family, and which source unit each of its units is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: Annotated[ArchitectureName, Field(description="the target, of the same family")]
    order: Order | dict[str, Order] | None = Field(
        default=None,
        description="a named order, for all stages or by the name of each; default: append or drop_last, as needed",
    )
    unit_map: str | None = Field(
        default=None,
        max_length=LONGEST_TEXT,
        description="instead: an explicit map, source:targets, stages joined by |",
    )
    replicate: dict[str, Annotated[list[Position], Field(max_length=MOST_UNITS)]] | None = Field(
        default=None,
        max_length=64,
        description="by stage, the source units (positions) that may be replicated; default: all",
    )

    @model_validator(mode="after")
    def _order_or_map(self) -> Self:
        if self.unit_map is not None and (self.order is not None or self.replicate is not None):
            raise ValueError("give either unit_map, or order and replicate, not both")
        return self


class TransformSpec(Reusable, Hop):
    """Stretch or squeeze tickets into another member of their family: one new ticket per ticket given."""

    kind: Literal["transform"] = "transform"
    tickets: Annotated[Tickets, Field(description="the tickets to transform, one per replicate")]
    via: list[Hop] = Field(
        default=[],
        max_length=8,
        description="members of the source's width to pass through first, each made of the one before",
    )
    weights: Literal["replicate", "reinit"] = Field(
        default="replicate",
        description="reinit: carry the mask only, over weights drawn from the ticket's seed",
    )
    permute: Seed | None = Field(
        default=None, description="shuffle the masks of replicated copies with this seed (ablation)"
    )
    norm: Literal["copy", "fresh"] = Field(
        default="copy", description="fresh: replicated copies start with untrained normalisation (ablation)"
    )
    start: Literal["rewind", "zero"] = Field(
        default="rewind", description="zero: lay the mask over the weights of step 0 (ablation)"
    )
    noise: float = Field(
        default=0.01,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="width only: relative noise on replicated channels; exact twins (0) never diverge in training",
    )
    dataset: str | None = Field(default=None, description="refit input and classes to this dataset")
    head: Literal["fresh", "copy"] | None = Field(
        default=None, description="the last layer; default: copy, or fresh where the class count differs"
    )
    stem: Literal["fresh", "copy"] = Field(
        default="copy",
        description="the first layer; one that does not fit the input must be asked to be fresh",
    )

    _tickets_differ = field_validator("tickets")(_distinct)

    @property
    def hops(self) -> list[Hop]:
        """The way from the source to the target."""
        return [*self.via, self]

    @model_validator(mode="after")
    def _drawn_weights_are_those_of_step_0(self) -> Self:
        if self.weights == "reinit" and self.start == "zero":
            raise ValueError("weights: reinit draws new weights of step 0; leave start out")
        return self


class TrainSpec(Trained):
    """Train tickets, each from its rewind point, or a network from its initialisation, dense or dynamically sparse."""

    kind: Literal["train"] = "train"
    tickets: Tickets | None = Field(default=None, description="tickets to train")
    architecture: ArchitectureName | None = Field(
        default=None, description="instead: a network to train, dense but for a sparsity_schedule"
    )
    seeds: Seeds | None = Field(
        default=None,
        description="one per ticket (default: the seed each was found with), or the network's replicates",
    )
    order_seeds: Seeds | None = Field(
        default=None, description="train every ticket once per data order, instead of under its own seed's"
    )
    sparsity_schedule: DynamicParameters | None = Field(
        default=None,
        description="train the network sparsely from the start, with masks that change on the way",
    )

    @model_validator(mode="after")
    def _tickets_or_architecture(self) -> Self:
        if (self.tickets is None) == (self.architecture is None):
            raise ValueError("give either tickets or architecture")
        if self.tickets is not None and self.seeds is not None and len(self.seeds) != len(self.tickets):
            raise ValueError(
                f"{len(self.tickets)} tickets need {len(self.tickets)} seeds, not {len(self.seeds)}"
            )
        if self.tickets is not None and self.sparsity_schedule is not None:
            raise ValueError(
                "a ticket brings its own mask, which stays: give sparsity_schedule with architecture"
            )
        if self.architecture is not None:
            _check_built_in(self.architecture, self.dataset)
        return self

    @property
    def full_recipe(self) -> Recipe:
        """The recipe of a completed spec, as long as the sparsity schedule makes it."""
        recipe, schedule = super().full_recipe, self.sparsity_schedule
        return recipe if schedule is None else recipe.times(schedule.multiplier)


class EvaluateSpec(Computing):
    """Measure tickets as they are, or the trained networks of a finished train job, on a dataset's test images."""

    kind: Literal["evaluate"] = "evaluate"
    dataset: str = Field(description="dataset whose test images are used")
    tickets: Tickets | None = Field(default=None, description="tickets to evaluate at their rewind point")
    job: JobId | None = Field(default=None, description="instead: a train job, to evaluate what it trained")
    latency: bool = Field(
        default=False,
        description="time each ticket's network too: dense, sparse and compacted, on the device that does the job; "
        "no earlier job answers such a request",
    )

    @model_validator(mode="after")
    def _tickets_or_job(self) -> Self:
        if (self.tickets is None) == (self.job is None):
            raise ValueError("give either tickets or job")
        if self.latency and self.tickets is None:
            raise ValueError("latency is of tickets: give tickets, or leave it out")
        return self


class TrainingRef(BaseModel):
    """One training of a finished train job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: JobId
    run: int = Field(default=0, ge=0, description="the number of the training in its job")


class ConnectSpec(Computing):
    """Measure linear mode connectivity: the networks on the line between two trainings of one ticket."""

    kind: Literal["connect"] = "connect"
    trainings: Annotated[
        list[TrainingRef],
        Field(
            min_length=2,
            max_length=2,
            description="two trainings of one ticket, the ends of the line",
        ),
    ]
    points: int = Field(default=21, ge=2, le=101, description="α values from 0 to 1, both included")
    dataset: str | None = Field(default=None, description="default: what the trainings were trained on")

    @model_validator(mode="after")
    def _two_of_them(self) -> Self:
        if self.trainings[0] == self.trainings[1]:
            raise ValueError("give two different trainings")
        return self


class ImportSpec(Spec):
    """Make tickets of an uploaded file in another format."""

    kind: Literal["import"] = "import"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0)]
    format: str | None = Field(default=None, description="default: recognised from the file")
    architecture: ArchitectureName | None = Field(
        default=None, description="default: recognised from names and shapes"
    )
    input: tuple[Side, Side, Side] | None = Field(
        default=None, description="[C, H, W] of its images, where shapes cannot tell"
    )
    rewind_step: int | None = Field(
        default=None, ge=0, lt=2**53, description="the step of its weights, where it cannot tell"
    )
    steps_per_epoch: int | None = Field(
        default=None, ge=1, lt=2**31, description="of the training it comes from"
    )
    dataset: str | None = Field(default=None, description="dataset it was found on")
    seed: Seed | None = None
    level: int | None = Field(default=None, ge=0, le=1000, description="nominal IMP level")
    tags: list[str] = []


OF_FOREIGN = ("format", "architecture", "input", "rewind_step", "steps_per_epoch", "dataset", "seed", "level")
"""What an `ImportSpec` says of a foreign file; a ticket says it by itself."""


class ExportSpec(Spec):
    """Convert a ticket's file to another format."""

    kind: Literal["export"] = "export"
    ticket: TicketId
    format: str

    @field_validator("format")
    @classmethod
    def _format_is_known(cls, name: str) -> str:
        if name not in FORMATS:
            raise ValueError(f"unknown format {name!r}; accepted: {', '.join(FORMATS)}")
        return name


NOOP: Literal["noop"] = "noop"


class NoopSpec(Spec):
    """Nothing. No trainer is started for it, and no request makes one: it tells what a job costs beside its work."""

    kind: Literal["noop"] = NOOP


ReusableSpec = FindSpec | TransformSpec | TrainSpec | EvaluateSpec | ConnectSpec
JobSpec = ReusableSpec | ImportSpec | ExportSpec | NoopSpec
_ADAPTER: TypeAdapter[JobSpec] = TypeAdapter(Annotated[JobSpec, Field(discriminator="kind")])


def parse_spec(stored: dict[str, Any]) -> JobSpec:
    """The spec of a job row."""
    return _ADAPTER.validate_python(stored)
