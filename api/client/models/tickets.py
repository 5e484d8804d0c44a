"""What routes of tickets answer with. Written by `make client` from the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.client.answer import Answer
from api.client.models.jobs import Latency


class FileBytes(Answer):
    """Bytes of the ticket's file."""

    header: int
    payload: int
    """survivors × 4 + Σ ⌈prunable / 8⌉ + the dense tensors"""


class Origin(Answer):
    """One way a ticket came here."""

    method: str
    dataset: str | None = None
    seed: int | None = None
    level: int | None = None
    parent: str | None = None
    """the ticket it was transformed from"""
    job: str | None = None
    """the job that made it; null for an upload"""
    details: dict[str, Any]
    created_at: datetime


class Ticket(Answer):
    """A ticket: architecture, mask and the weights at the rewind point."""

    id: str
    architecture: str
    family: str
    input: list[int]
    """[C, H, W]"""
    classes: int
    rewind_step: int
    prunable: int
    """all prunable weights"""
    survivors: int
    sparsity: float
    """pruned / all prunable weights"""
    level: int | None = None
    """nominal IMP level"""
    file: FileBytes
    provenance: list[Origin]
    tags: list[str]
    created_at: datetime
    links: dict[str, str | dict[str, str]]
    """`files` has one per format"""


class RecognisedTicket(Answer):
    """One ticket of a file, as it would be entered."""

    id: str
    here: bool
    """it is in the catalog already"""
    architecture: str
    family: str
    input: list[int]
    """[C, H, W]; zeros where it is not known"""
    classes: int
    prunable: int
    survivors: int
    sparsity: float
    """pruned / all prunable weights"""
    rewind_step: int
    dataset: str | None
    seed: int | None
    level: int | None
    """nominal IMP level"""


class Recognised(Answer):
    """What an uploaded file is, and what would become of it."""

    outcome: Literal["ticket", "import"]
    """ticket: it is entered at once; import: a job makes tickets of it"""
    format: str | None
    """null where that is for the import to say"""
    title: str
    size: int
    """bytes"""
    tickets: list[RecognisedTicket]
    unsaid: list[str]
    """what the file does not say of its tickets, and the query may"""
    notes: list[str]


class Layer(Answer):
    """One prunable tensor, counted exactly."""

    name: str
    shape: list[int]
    size: int
    survivors: int
    density: float
    """survivors / size"""
    sparsity: float
    effective_survivors: int | None
    """survivors on a path from the network's input to its output; null where it is not known how the network
    is wired: posted architectures, and timm's
    """
    channels: int | None
    """its filters, or rows; null where it is not known how the network is wired: posted architectures, and
    timm's
    """
    dead_channels: int | None
    """filters without a surviving weight on such a path: nothing of the input comes to them, or nothing of
    theirs to the output; null where it is not known how the network is wired: posted architectures, and
    timm's
    """


class Layers(Answer):
    """A ticket's prunable tensors, in state-dict order.

    Effective is a surviving weight that lies on a path from the network's input to its output (Vysogorets
    and Kempe, 2021). Biases and normalisation are no input: what only they feed is on no path.
    """

    prunable: int
    survivors: int
    sparsity: float
    effective_survivors: int | None
    """survivors on a path; null where it is not known how the network is wired: posted architectures, and
    timm's
    """
    effective_sparsity: float | None
    """1 − effective survivors / prunable; null where it is not known how the network is wired: posted
    architectures, and timm's
    """
    unreachable: int | None
    """survivors on no path; null where it is not known how the network is wired: posted architectures, and
    timm's
    """
    empty_layers: list[str]
    """tensors without a surviving weight"""
    layers: list[Layer]


class Relative(Answer):
    """An ancestor or a child, and the jobs that made it."""

    id: str
    architecture: str
    family: str
    input: list[int]
    """[C, H, W]"""
    classes: int
    rewind_step: int
    prunable: int
    """all prunable weights"""
    survivors: int
    sparsity: float
    """pruned / all prunable weights"""
    level: int | None = None
    """nominal IMP level"""
    file: FileBytes
    provenance: list[Origin]
    tags: list[str]
    created_at: datetime
    links: dict[str, str | dict[str, str]]
    """`files` has one per format"""
    jobs: list[str]
    deleted_at: datetime | None = None
    """where it was deleted: nothing of it can be read"""


class Lineage(Answer):
    """What a ticket was transformed from, nearest first, and what was transformed from it."""

    ticket: str
    ancestors: list[Relative]
    children: list[Relative]


class Average(Answer):
    """Accuracy on one dataset at one point, over all measurements."""

    dataset: str
    point: str
    count: int
    mean: float
    std: float | None = None
    """sample standard deviation; null for a single measurement"""


class Measured(Answer):
    """One measured accuracy of a ticket, with the training it belongs to."""

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
    job: str
    architecture: str | None = None
    """what was trained; null where nothing was"""
    order_seed: int | None = None


class Results(Answer):
    """A ticket's measured accuracies."""

    summary: list[Average]
    results: list[Measured]


class Overlap(Answer):
    """How much two masks, and the weights under them, agree."""

    size: int
    survivors_a: int
    survivors_b: int
    both: int
    """weights that survive in both"""
    iou: float | None
    """|a and b| / |a or b|; null where both are empty"""
    chance: float | None
    """the IoU to expect of two independent random masks with as many survivors"""
    cosine: float | None
    """cosine of the two weight vectors, zeros where pruned; null where one of them is zero"""
    sign_agreement: float | None
    """the share of the weights in both whose signs agree; null where there are none"""


class TensorOverlap(Answer):
    """One prunable tensor that both tickets have in the same shape."""

    size: int
    survivors_a: int
    survivors_b: int
    both: int
    """weights that survive in both"""
    iou: float | None
    """|a and b| / |a or b|; null where both are empty"""
    chance: float | None
    """the IoU to expect of two independent random masks with as many survivors"""
    cosine: float | None
    """cosine of the two weight vectors, zeros where pruned; null where one of them is zero"""
    sign_agreement: float | None
    """the share of the weights in both whose signs agree; null where there are none"""
    name: str


class TicketComparison(Answer):
    """Two tickets, tensor by tensor."""

    a: str
    b: str
    total: Overlap
    """over all tensors that can be compared"""
    tensors: list[TensorOverlap]
    only_a: list[str]
    """prunable tensors that b has not"""
    only_b: list[str]
    """prunable tensors that a has not"""
    other_shape: list[str]
    """prunable tensors that both have, in different shapes"""


class UploadPart(Answer):
    """One request to the object store: PUT these bytes of the file there, with these headers and no others of
    yours.
    """

    offset: int
    size: int
    url: str
    headers: dict[str, str] = Field(default={})


class Upload(Answer):
    """Where a file is to be sent, part by part, in any order; then POST to `links.complete`."""

    id: str
    parts: list[UploadPart]
    expires_at: datetime
    """the addresses are good until then; ask again for new ones"""
    links: dict[str, Any]


class Entry(Answer):
    """One position of a stage: local names, and the tensors they stand for."""

    fixed: bool
    """never replicated, never dropped"""
    tensors: dict[str, str]


class Stage(Answer):
    """An ordered run of entries."""

    name: str
    units: list[int]
    """positions of the interchangeable entries"""
    entries: list[Entry]


class Anatomy(Answer):
    """What of a ticket's network is fixed, what repeats, and what could be posted to say so."""

    architecture: str
    stages: list[Stage]
    fixed: list[str]
    """tensors that belong to no stage: they are copied as they are"""
    proposal: dict[str, Any] | None
    """a definition for POST /architectures, read from the names and shapes of its tensors; the family's own
    where it has stages; null where the network is too large for one
    """
