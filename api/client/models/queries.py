"""Queries that routes take. Written by `make client` from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

from api.client.models.jobs import State


class UploadTicketQuery(TypedDict, total=False):
    """Upload Ticket: the query."""

    tag: Sequence[str]
    """tags to put on it"""
    format: str | None
    """default: recognised from the file; open_lth, huggingface, torch_prune, rigl_torch, itop, turboprune,
    synaptic_flow, cerebras, safetensors, dense
    """
    architecture: str | None
    """default: recognised from names and shapes"""
    input: str | None
    """C,H,W of its images, where shapes cannot tell"""
    rewind_step: int | None
    """the step of its weights, where it cannot tell"""
    steps_per_epoch: int | None
    """of the training that it comes from"""
    dataset: str | None
    """the dataset it was found on"""
    seed: int | None
    """the seed it was found with"""
    level: int | None
    """its nominal IMP level"""


class ListTicketsQuery(TypedDict, total=False):
    """List Tickets: the query."""

    limit: int
    """items per page"""
    architecture: str | None
    family: str | None
    dataset: str | None
    """found or trained to its rewind point on it"""
    method: str | None
    """how it was made"""
    parent: str | None
    """transformed from it"""
    tag: str | None
    sparsity_min: float | None
    sparsity_max: float | None


class ImportStudyQuery(TypedDict, total=False):
    """Import Study: the query."""

    exact: bool
    """run it in exact mode, even if it was not run so before"""


class CompleteUploadQuery(TypedDict, total=False):
    """Complete Upload: the query."""

    tag: Sequence[str]
    """tags to put on it"""
    format: str | None
    """default: recognised from the file; open_lth, huggingface, torch_prune, rigl_torch, itop, turboprune,
    synaptic_flow, cerebras, safetensors, dense
    """
    architecture: str | None
    """default: recognised from names and shapes"""
    input: str | None
    """C,H,W of its images, where shapes cannot tell"""
    rewind_step: int | None
    """the step of its weights, where it cannot tell"""
    steps_per_epoch: int | None
    """of the training that it comes from"""
    dataset: str | None
    """the dataset it was found on"""
    seed: int | None
    """the seed it was found with"""
    level: int | None
    """its nominal IMP level"""


class FindQuery(TypedDict, total=False):
    """Find: the query."""

    priority: int | None
    """among the jobs that wait, the highest is taken first, and of those the oldest; default: 0, or that of
    the job that is retried. A finished job that answers ignores it
    """


class TransformQuery(TypedDict, total=False):
    """Transform: the query."""

    priority: int | None
    """among the jobs that wait, the highest is taken first, and of those the oldest; default: 0, or that of
    the job that is retried. A finished job that answers ignores it
    """


class TrainQuery(TypedDict, total=False):
    """Train: the query."""

    priority: int | None
    """among the jobs that wait, the highest is taken first, and of those the oldest; default: 0, or that of
    the job that is retried. A finished job that answers ignores it
    """


class EvaluateQuery(TypedDict, total=False):
    """Evaluate: the query."""

    priority: int | None
    """among the jobs that wait, the highest is taken first, and of those the oldest; default: 0, or that of
    the job that is retried. A finished job that answers ignores it
    """


class ConnectQuery(TypedDict, total=False):
    """Connect: the query."""

    priority: int | None
    """among the jobs that wait, the highest is taken first, and of those the oldest; default: 0, or that of
    the job that is retried. A finished job that answers ignores it
    """


class ListJobsQuery(TypedDict, total=False):
    """List Jobs: the query."""

    limit: int
    """items per page"""
    state: Sequence[State]
    """only jobs in these states"""
    kind: Sequence[Literal["find", "transform", "train", "evaluate", "connect", "import", "export"]]
    """only jobs of these kinds"""
    dataset: str | None
    """only jobs on this dataset"""
    architecture: str | None
    """only jobs with this architecture: their own, their target, or that of a ticket they were given"""
    q: str
    """words, each to be found in a job's id, its worker, or what it is about: kind, architectures, dataset,
    method, the ids of the tickets and jobs it names
    """
    order: Literal["newest", "oldest"]
    """by the time they were asked for"""


class RetryJobQuery(TypedDict, total=False):
    """Retry Job: the query."""

    priority: int | None
    """among the jobs that wait, the highest is taken first, and of those the oldest; default: 0, or that of
    the job that is retried. A finished job that answers ignores it
    """


class CompareRunsQuery(TypedDict, total=False):
    """Compare Runs: the query."""

    run: Sequence[str]
    """a training, JOB:NUMBER; may be repeated"""


class CreateStudyQuery(TypedDict, total=False):
    """Create Study: the query."""

    priority: int | None
    """of every job that it asks for, as POST /find has it; default: 0"""


class ListStudiesQuery(TypedDict, total=False):
    """List Studies: the query."""

    limit: int
    """items per page"""


class ListArchitecturesQuery(TypedDict, total=False):
    """List Architectures: the query."""

    limit: int
    """posted families per page"""


class ShowArchitectureQuery(TypedDict, total=False):
    """Show Architecture: the query."""

    dataset: str | None
    """whose input and classes it takes; not needed for a posted one"""
    classes: int | None
    """which one, where a name is posted for several numbers of classes"""


class ListKeysQuery(TypedDict, total=False):
    """List Keys: the query."""

    limit: int
    """items per page"""


class ReadAuditLogQuery(TypedDict, total=False):
    """Read Audit Log: the query."""

    limit: int
    """items per page"""
    resource: str | None
    """only what was done to this: a ticket, a job, a key …"""
