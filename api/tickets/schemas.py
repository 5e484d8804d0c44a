"""Tickets as the API shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from api.jobs.schemas import ResultBody
from api.tickets import examples
from api.tickets.formats import downloads
from core.catalog.tables import Job, Provenance, Result, Run, Ticket
from core.catalog.ticket_lists import Listed
from core.studies.table import spread


def links(identity: str, family: str) -> dict[str, str | dict[str, str]]:
    """Where a ticket can be read, and its file in each format."""
    here = f"/tickets/{identity}"
    return {
        "self": here,
        "file": f"{here}/file?format=elasticket",
        "files": {name: f"{here}/file?format={name}" for name in downloads(family)},
        **{name: f"{here}/{name}" for name in ("layers", "lineage", "results", "anatomy")},
    }


class Origin(BaseModel):
    """One way a ticket came here."""

    method: str
    dataset: str | None = None
    seed: int | None = None
    level: int | None = None
    parent: str | None = Field(default=None, description="the ticket it was transformed from")
    job: str | None = Field(default=None, description="the job that made it; null for an upload")
    details: dict[str, Any]
    created_at: datetime

    @classmethod
    def of(cls, origin: Provenance | Row[Any]) -> Origin:
        """A row."""
        same = ("method", "dataset", "seed", "level", "details", "created_at")
        values = {name: getattr(origin, name) for name in same}
        return cls(parent=origin.parent_id, job=origin.job_id, **values)


class FileBytes(BaseModel):
    """Bytes of the ticket's file."""

    header: int
    payload: int = Field(description="survivors × 4 + Σ ⌈prunable / 8⌉ + the dense tensors")


class TicketBody(BaseModel):
    """A ticket: architecture, mask and the weights at the rewind point."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TICKET_BODY]})

    id: str
    architecture: str
    family: str
    input: list[int] = Field(description="[C, H, W]")
    classes: int
    rewind_step: int
    prunable: int = Field(description="all prunable weights")
    survivors: int
    sparsity: float = Field(description="pruned / all prunable weights")
    level: int | None = Field(default=None, description="nominal IMP level")
    file: FileBytes
    provenance: list[Origin]
    tags: list[str]
    created_at: datetime
    links: dict[str, str | dict[str, str]] = Field(description="`files` has one per format")

    @classmethod
    def fields(cls, ticket: Ticket | Listed) -> dict[str, Any]:
        """A row's values."""
        shown = ("id", "architecture", "family", "input", "classes", "rewind_step")
        figures = ("prunable", "survivors", "sparsity", "created_at")
        origins = [Origin.of(origin) for origin in ticket.provenance]
        return {name: getattr(ticket, name) for name in (*shown, *figures)} | {
            "level": next((origin.level for origin in origins if origin.level is not None), None),
            "file": FileBytes(header=ticket.header_bytes, payload=ticket.payload_bytes),
            "provenance": origins,
            "tags": [tag.tag for tag in ticket.tags],
            "links": links(ticket.id, ticket.family),
        }

    @classmethod
    def of(cls, ticket: Ticket | Listed) -> TicketBody:
        """A row, with its origins and tags."""
        return cls(**cls.fields(ticket))


class Relative(TicketBody):
    """An ancestor or a child, and the jobs that made it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CHILD]})

    jobs: list[str]
    deleted_at: datetime | None = Field(
        default=None, description="where it was deleted: nothing of it can be read"
    )

    @classmethod
    def of_kin(cls, ticket: Ticket) -> Relative:
        """A row, which may be one that was deleted."""
        jobs = dict.fromkeys(origin.job_id for origin in ticket.provenance if origin.job_id is not None)
        values = cls.fields(ticket) | {"jobs": list(jobs), "deleted_at": ticket.deleted_at}
        if ticket.deleted_at is not None:
            values["links"] = {"lineage": f"/tickets/{ticket.id}/lineage"}
        return cls(**values)


class Lineage(BaseModel):
    """What a ticket was transformed from, nearest first, and what was transformed from it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.LINEAGE]})

    ticket: str
    ancestors: list[Relative]
    children: list[Relative]

    @classmethod
    def of(cls, identity: str, ancestors: Iterable[Ticket], children: Iterable[Ticket]) -> Lineage:
        """The rows."""
        return cls(
            ticket=identity,
            ancestors=[Relative.of_kin(ticket) for ticket in ancestors],
            children=[Relative.of_kin(ticket) for ticket in children],
        )


class Measured(ResultBody):
    """One measured accuracy of a ticket, with the training it belongs to."""

    job: str
    architecture: str | None = Field(default=None, description="what was trained; null where nothing was")
    order_seed: int | None = None


class Average(BaseModel):
    """Accuracy on one dataset at one point, over all measurements."""

    dataset: str
    point: str
    count: int
    mean: float
    std: float | None = Field(
        default=None, description="sample standard deviation; null for a single measurement"
    )


class Results(BaseModel):
    """A ticket's measured accuracies."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.RESULTS]})

    summary: list[Average]
    results: list[Measured]

    @classmethod
    def of(cls, rows: Sequence[tuple[Result, Run | None, Job]]) -> Results:
        """The rows."""
        measured = [
            Measured(
                **ResultBody.of(result).model_dump(),
                job=job.id,
                architecture=run.architecture if run else None,
                order_seed=run.order_seed if run else None,
            )
            for result, run, job in rows
        ]
        groups: dict[tuple[str, str], list[float]] = defaultdict(list)
        for row in measured:
            if row.alpha is not None:
                continue  # not a network of its own: the mean over a line says nothing
            groups[row.dataset, row.point].append(row.accuracy)
        return cls(
            summary=[
                Average(
                    dataset=dataset,
                    point=point,
                    count=len(values),
                    **asdict(spread(values)),
                )
                for (dataset, point), values in sorted(groups.items())
            ],
            results=measured,
        )
