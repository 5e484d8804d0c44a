"""The catalog's tables. Times are seconds since 1970 by the database's clock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core.catalog.base import Base as Base
from core.catalog.base import Digest, KeyId, RowId
from core.catalog.database import now
from core.catalog.scope import Deletable, Name, OfJob, OfProject, OfStudy
from core.catalog.scope import RandomId as JobId
from core.jobs.identity import SPEC_VERSION

Traceparent = String(55)
"""What continues the trace of the request that asked for something (W3C Trace Context)."""


class Project(Base):
    """One of those who share an installation and see nothing of each other.

    `most_bytes` of artifacts and `most_waiting` jobs are what it may have; NULL: any number. `stored_bytes` is counted
    only where there is a quota.
    """

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    created_at: Mapped[float] = mapped_column(server_default=now())
    most_bytes: Mapped[int | None]
    most_waiting: Mapped[int | None]
    stored_bytes: Mapped[int] = mapped_column(server_default="0")


class Retention(OfProject, Base):
    """For how many days a project keeps something; without a row it keeps it for ever."""

    __tablename__ = "retention"

    project: Mapped[str] = mapped_column(Name, ForeignKey("projects.name"), primary_key=True)
    what: Mapped[str] = mapped_column(String(16), primary_key=True)
    days: Mapped[float]


class AuditEntry(OfProject, Base):
    """Something that was changed, or a key that was refused: who, what, when. Rows are only ever added, and age out.

    `project` is NULL where a stranger was refused. `by` says what let them in, `key_id` which key.
    """

    __tablename__ = "audit"
    __table_args__ = (Index(None, "project", "created_at", "id"),)

    id: Mapped[str] = mapped_column(JobId, primary_key=True)
    project: Mapped[str | None] = mapped_column(Name, ForeignKey("projects.name"))  # type: ignore[assignment]
    created_at: Mapped[float] = mapped_column(server_default=now())
    by: Mapped[str] = mapped_column(String(16))
    key_id: Mapped[str | None] = mapped_column(KeyId)
    method: Mapped[str] = mapped_column(String(16))
    route: Mapped[str] = mapped_column(String(128))
    resource: Mapped[str | None] = mapped_column(String(128))
    outcome: Mapped[str] = mapped_column(String(16))
    request_id: Mapped[str | None] = mapped_column(String(128))
    address: Mapped[str | None] = mapped_column(String(64))


def _ticket() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["project", "ticket_id"], ["tickets.project", "tickets.id"])


class ApiKey(OfProject, Base):
    """What lets someone into a project. `digest`: the SHA-256 of the key, of which nothing else is kept."""

    __tablename__ = "api_keys"
    __table_args__ = (Index(None, "project", "created_at", "id"),)

    id: Mapped[str] = mapped_column(KeyId, primary_key=True)
    digest: Mapped[str] = mapped_column(Digest)
    name: Mapped[str] = mapped_column(String(64))
    scope: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[float] = mapped_column(server_default=now())
    expires_at: Mapped[float | None]
    revoked_at: Mapped[float | None]
    last_used_at: Mapped[float | None]


class SignIn(Base):
    """A browser that was signed in with a key. `digest`: the SHA-256 of its cookie."""

    __tablename__ = "sign_ins"

    digest: Mapped[str] = mapped_column(Digest, primary_key=True)
    key_id: Mapped[str] = mapped_column(KeyId, ForeignKey("api_keys.id"), index=True)
    expires_at: Mapped[float] = mapped_column(index=True)


class Ticket(OfProject, Deletable, Base):
    """One ticket of a project, by content: figures that its file also states, kept here to be searched.

    Projects that have the same ticket share no row: whose file it is, and when it came, is each one's own.
    """

    __tablename__ = "tickets"
    __table_args__ = (
        Index(None, "project", "created_at", "id"),
        Index(None, "project", "family", "created_at", "id"),
        Index(None, "project", "architecture", "created_at", "id"),
    )

    project: Mapped[str] = mapped_column(Name, ForeignKey("projects.name"), primary_key=True)
    id: Mapped[str] = mapped_column(Digest, primary_key=True)
    architecture: Mapped[str] = mapped_column(String(64))
    family: Mapped[str] = mapped_column(String(64))
    input: Mapped[list[int]]
    classes: Mapped[int]
    rewind_step: Mapped[int]
    prunable: Mapped[int]
    survivors: Mapped[int]
    sparsity: Mapped[float]
    file_digest: Mapped[str] = mapped_column(Digest)
    header_bytes: Mapped[int]
    payload_bytes: Mapped[int]
    created_at: Mapped[float] = mapped_column(server_default=now())

    layers: Mapped[list[TicketLayer]] = relationship(order_by="TicketLayer.position")
    provenance: Mapped[list[Provenance]] = relationship(
        foreign_keys="[Provenance.project, Provenance.ticket_id]", order_by="Provenance.id"
    )
    tags: Mapped[list[TicketTag]] = relationship(order_by="TicketTag.tag")
    weights: Mapped[list[TicketWeights]] = relationship(order_by="TicketWeights.step")


class TicketLayer(OfProject, Base):
    """One prunable tensor of a ticket."""

    __tablename__ = "ticket_layers"
    __table_args__ = (_ticket(),)

    project: Mapped[str] = mapped_column(Name, primary_key=True)
    ticket_id: Mapped[str] = mapped_column(Digest, primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(256))
    shape: Mapped[list[int]]
    size: Mapped[int]
    survivors: Mapped[int]


class Provenance(OfProject, Base):
    """One way a ticket came here: an upload, or a job that found or transformed it. A ticket may have several."""

    __tablename__ = "provenance"
    __table_args__ = (
        _ticket(),
        Index(None, "project", "ticket_id"),
        Index(None, "project", "dataset", "ticket_id"),
        Index(None, "project", "method", "ticket_id"),
        Index(None, "project", "parent_id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    project: Mapped[str] = mapped_column(Name)
    ticket_id: Mapped[str] = mapped_column(Digest)
    method: Mapped[str] = mapped_column(String(32))
    dataset: Mapped[str | None] = mapped_column(String(64))
    seed: Mapped[int | None]
    level: Mapped[int | None]
    parent_id: Mapped[str | None] = mapped_column(Digest)
    job_id: Mapped[str | None] = mapped_column(JobId, ForeignKey("jobs.id"), index=True)
    details: Mapped[dict[str, Any]]
    created_at: Mapped[float] = mapped_column(server_default=now())


class TicketWeights(OfProject, Base):
    """Dense weights that a ticket's mask was laid over: θ at the rewind step, or θ_0, before anything was pruned."""

    __tablename__ = "ticket_weights"
    __table_args__ = (_ticket(),)

    project: Mapped[str] = mapped_column(Name, primary_key=True)
    ticket_id: Mapped[str] = mapped_column(Digest, primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(Digest)


class TicketCopy(OfProject, Base):
    """A ticket's file in another format, made by an export job."""

    __tablename__ = "ticket_copies"
    __table_args__ = (_ticket(),)

    project: Mapped[str] = mapped_column(Name, primary_key=True)
    ticket_id: Mapped[str] = mapped_column(Digest, primary_key=True)
    format: Mapped[str] = mapped_column(String(32), primary_key=True)
    digest: Mapped[str] = mapped_column(Digest)


class PostedArchitecture(OfProject, Base):
    """A project's family described as data: one row per name, input and number of classes."""

    __tablename__ = "posted_architectures"

    project: Mapped[str] = mapped_column(Name, ForeignKey("projects.name"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    shape: Mapped[str] = mapped_column(String(48), primary_key=True)
    classes: Mapped[int] = mapped_column(primary_key=True)
    definition: Mapped[dict[str, Any]]
    created_at: Mapped[float] = mapped_column(server_default=now())


class TicketTag(OfProject, Base):
    """A word a person put on a ticket. `created_at` is the ticket's, so that an index has a tag's tickets in order."""

    __tablename__ = "ticket_tags"
    __table_args__ = (_ticket(), Index(None, "project", "tag", "created_at", "ticket_id"))

    project: Mapped[str] = mapped_column(Name, primary_key=True)
    ticket_id: Mapped[str] = mapped_column(Digest, primary_key=True)
    tag: Mapped[str] = mapped_column(String(64), primary_key=True)
    # Versions that copy none are given one.
    created_at: Mapped[float] = mapped_column(server_default=now())


class Job(OfProject, Deletable, Base):
    """One durable piece of work. `attempt` is the fencing token: writers say which attempt they are.

    `about` is what it is searched by, `priority` its place among the queued, `trace` the trace of the request that
    asked for it: none is part of what it does.
    `need` is what it must be given, as `core.jobs.placement` writes it; `pool` and `gpus` are where it runs.
    `gives_way`: why its attempt was asked to; `gave_way`: how often it was, for a job of higher priority.
    Its log and its weights may have been dropped before itself.
    `spec_version` is what a worker must know, at least, to take it.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index(None, "project", "created_at", "id"),
        Index(None, "state", "lease_until"),
        Index(None, "project", "state", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(JobId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    spec: Mapped[dict[str, Any]]
    digest: Mapped[str | None] = mapped_column(Digest, index=True)
    priority: Mapped[int] = mapped_column(server_default="0")
    need: Mapped[str] = mapped_column(String(32), server_default="any")
    about: Mapped[str] = mapped_column(Text, server_default="")
    # Rows of versions that wrote none are of the first.
    spec_version: Mapped[int] = mapped_column(default=SPEC_VERSION, server_default="1")
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int]
    lease_until: Mapped[float | None]
    worker: Mapped[str | None] = mapped_column(String(255))
    pool: Mapped[str | None] = mapped_column(String(255))
    gpus: Mapped[list[int] | None]
    gave_way: Mapped[int] = mapped_column(server_default="0")
    gives_way: Mapped[str | None] = mapped_column(Text)
    hinted_at: Mapped[float | None]
    progress: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    last_event: Mapped[int] = mapped_column(default=0)
    retry_of: Mapped[str | None] = mapped_column(JobId, ForeignKey("jobs.id"))
    created_at: Mapped[float] = mapped_column(server_default=now())
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]
    trace: Mapped[str | None] = mapped_column(Traceparent)
    log_dropped_at: Mapped[float | None]
    weights_dropped_at: Mapped[float | None]

    attempts: Mapped[list[Attempt]] = relationship(order_by="Attempt.attempt")
    runs: Mapped[list[Run]] = relationship(order_by="Run.ordinal")
    results: Mapped[list[Result]] = relationship(order_by="Result.ordinal")
    outputs: Mapped[list[Provenance]] = relationship(order_by="Provenance.id", viewonly=True)


Index("ix_jobs_queue", Job.state, Job.priority.desc(), Job.created_at, Job.id)
Index("ix_jobs_placement", Job.state, Job.need, Job.priority.desc(), Job.project, Job.created_at, Job.id)
_RUNS_SOMEWHERE = Job.pool.is_not(None)
Index(None, Job.pool, sqlite_where=_RUNS_SOMEWHERE, postgresql_where=_RUNS_SOMEWHERE)


class Pool(Base):
    """A worker with its slots, and what it offers: `memory` and `gpu_memory` in MiB, 0 where not known.

    `drain`: it takes no more jobs. `kept_for`: the queued job that its room is kept for.
    """

    __tablename__ = "pools"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    slots: Mapped[int]
    memory: Mapped[int]
    gpus: Mapped[int]
    gpu_memory: Mapped[int]
    takes: Mapped[str] = mapped_column(String(32))
    drain: Mapped[bool] = mapped_column(server_default=false())
    kept_for: Mapped[str | None] = mapped_column(JobId)
    started_at: Mapped[float] = mapped_column(server_default=now())
    seen_at: Mapped[float] = mapped_column(server_default=now())


class Attempt(OfJob, Base):
    """One try at a job. `usage`: what it took of its machine when that was last looked at."""

    __tablename__ = "attempts"

    attempt: Mapped[int] = mapped_column(primary_key=True)
    worker: Mapped[str] = mapped_column(String(255))
    device: Mapped[str | None] = mapped_column(String(255))
    started_at: Mapped[float] = mapped_column(server_default=now())
    ended_at: Mapped[float | None]
    outcome: Mapped[str | None] = mapped_column(Text)
    usage: Mapped[dict[str, Any] | None]


_HAS_ENDED = Attempt.ended_at.is_not(None)
Index(None, Attempt.ended_at, sqlite_where=_HAS_ENDED, postgresql_where=_HAS_ENDED)


class Event(OfJob, Base):
    """One thing that happened to a job; `seq` counts per job without gaps, in commit order."""

    __tablename__ = "events"

    seq: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    kind: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]]
    at: Mapped[float] = mapped_column(server_default=now())


class Checkpoint(OfJob, Base):
    """A pointer to a training state in the job's scratch store; `complete` marks the end of that training."""

    __tablename__ = "checkpoints"

    training: Mapped[str] = mapped_column(String(128), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    complete: Mapped[bool]
    digest: Mapped[str] = mapped_column(Digest)


class Run(OfJob, Base):
    """One training of a finished job, with its metrics."""

    __tablename__ = "runs"

    ordinal: Mapped[int] = mapped_column(primary_key=True)
    architecture: Mapped[str] = mapped_column(String(64))
    dataset: Mapped[str] = mapped_column(String(64))
    ticket_id: Mapped[str | None] = mapped_column(Digest, index=True)
    seed: Mapped[int]
    order_seed: Mapped[int]
    level: Mapped[int | None]
    sparsity: Mapped[float]
    start_step: Mapped[int]
    steps: Mapped[int]
    seconds: Mapped[float]
    shared: Mapped[bool] = mapped_column(server_default=false())
    speed: Mapped[dict[str, Any] | None]
    history: Mapped[list[dict[str, Any]]]
    fingerprint: Mapped[dict[str, Any]]
    weights_digest: Mapped[str] = mapped_column(Digest)


class Result(OfJob, Base):
    """One measured accuracy: after the last step (`last`), test-selected (`best`), by an evaluate job, or on the
    line between two trainings (`between`, at `alpha` from the first to the second).
    """

    __tablename__ = "results"
    __table_args__ = (ForeignKeyConstraint(["job_id", "run"], ["runs.job_id", "runs.ordinal"]),)

    ordinal: Mapped[int] = mapped_column(primary_key=True)
    run: Mapped[int | None]
    ticket_id: Mapped[str | None] = mapped_column(Digest, index=True)
    dataset: Mapped[str] = mapped_column(String(64))
    point: Mapped[str] = mapped_column(String(16))
    alpha: Mapped[float | None]
    epoch: Mapped[int | None]
    seed: Mapped[int | None]
    correct: Mapped[int]
    total: Mapped[int]
    loss: Mapped[float]
    latency: Mapped[dict[str, Any] | None]


class Study(OfProject, Deletable, Base):
    """A set of jobs whose results form a table; `archive`: what the one that it repeats came to, if it was imported."""

    __tablename__ = "studies"
    __table_args__ = (Index(None, "project", "created_at", "id"),)

    id: Mapped[str] = mapped_column(JobId, primary_key=True)
    spec: Mapped[dict[str, Any]]
    # Not with the row: it may be large, and dispatchers look at open studies ten times a second.
    archive: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    priority: Mapped[int] = mapped_column(server_default="0")
    spec_version: Mapped[int] = mapped_column(default=SPEC_VERSION, server_default="1")
    created_at: Mapped[float] = mapped_column(server_default=now())
    finished_at: Mapped[float | None] = mapped_column(index=True)
    trace: Mapped[str | None] = mapped_column(Traceparent)

    jobs: Mapped[list[StudyJob]] = relationship(order_by="StudyJob.position")


class StudyJob(OfStudy, Base):
    """A job of a study, which is asked for once those that its body refers to have succeeded."""

    __tablename__ = "study_jobs"

    key: Mapped[str] = mapped_column(String(256), primary_key=True)
    position: Mapped[int]
    kind: Mapped[str] = mapped_column(String(32))
    body: Mapped[dict[str, Any]]
    job_id: Mapped[str | None] = mapped_column(JobId, ForeignKey("jobs.id"), index=True)
    error: Mapped[dict[str, Any] | None]

    # With the row: a dispatcher looks at all of an open study's jobs ten times a second.
    job: Mapped[Job | None] = relationship(lazy="joined")


class Outbox(OfJob, Base):
    """A job to announce to the workers, written in the transaction that queued it."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    job_id: Mapped[str] = mapped_column(JobId, ForeignKey("jobs.id"))


class IdempotencyKey(OfProject, Base):
    """What a POST with an `Idempotency-Key` made, so that its repetition makes nothing more."""

    __tablename__ = "idempotency_keys"

    project: Mapped[str] = mapped_column(Name, ForeignKey("projects.name"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    scope: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(Digest)
    status: Mapped[int]
    resource: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[float] = mapped_column(server_default=now())
