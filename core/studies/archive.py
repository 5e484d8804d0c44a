"""A study as one file that others can run again: `study.json` of a zip archive, as data."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.tickets.metadata import TicketId

FORMAT = "elasticket-study/1"
STUDY, HISTORIES, TABLE, README = "study.json", "histories.jsonl", "table.csv", "README.txt"
TICKETS, SUFFIX = "tickets/", ".ticket.safetensors"

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Word = Annotated[str, Field(max_length=256)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Fingerprint = Annotated[dict[Word, Word | int | bool | None], Field(max_length=64)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Versions(_Part):
    """What the study was run with. `numerics` changes when the same job gives other figures."""

    elasticket: Word
    numerics: int


class ArchivedRun(_Part):
    """One training: the ticket it restarted from, the digest of what it ended with, which is not in the archive.

    `fingerprint` counts in the archive's list of them. Its metrics per epoch are a line of `histories.jsonl`.
    """

    architecture: Word
    dataset: Word
    ticket: TicketId | None
    seed: Count
    order_seed: Count
    level: Count | None
    sparsity: float
    start_step: Count
    steps: Count
    seconds: float
    shared: bool
    speed: dict[str, Any] | None
    fingerprint: Count
    weights_digest: Digest


class ArchivedResult(_Part):
    """One measured accuracy, correct / total; `run` counts in the job's runs."""

    run: Count | None
    point: Word
    dataset: Word
    correct: Count
    total: Annotated[int, Field(ge=1, lt=2**53)]
    loss: float | None
    epoch: Count | None
    seed: Count | None
    ticket: TicketId | None
    alpha: float | None


class ArchivedJob(_Part):
    """A job of the study: what it was asked, how it stands, what it came to."""

    key: Word
    kind: Word
    state: Word
    spec: dict[str, Any] | None = Field(description="complete; null where it was not asked for yet")
    error: dict[str, Any] | None
    started_at: datetime | None
    finished_at: datetime | None
    tickets: list[TicketId] = Field(description="that it made, in the order of its seeds")
    runs: list[ArchivedRun]
    results: list[ArchivedResult]


class StudyArchive(_Part):
    """Everything about a study but its tickets' contents, which are files beside it."""

    format: Literal["elasticket-study/1"]
    versions: Versions
    spec: dict[str, Any]
    created_at: datetime
    finished_at: datetime | None
    fingerprints: list[Fingerprint]
    tickets: list[TicketId] = Field(description="that are in the archive: all that its jobs made or took")
    jobs: list[ArchivedJob]


def ticket_member(identity: str) -> str:
    """Where a ticket lies in the archive."""
    return f"{TICKETS}{identity}{SUFFIX}"


def readme(archive: StudyArchive) -> str:
    """What a person who opens the archive is told."""
    return f"""A study of Elasticket {archive.versions.elasticket}, as one archive ({FORMAT}).

  {STUDY}       what was asked, every job with its specification, results and digests, and what it ran on
  {HISTORIES}  a line per training: its metrics, epoch by epoch
  {TABLE}        the table
  {TICKETS}         the tickets that its jobs made or took, each named by its id
Trained weights are not included; their digests are.

To run it again and compare digest by digest:

  elasticket up
  elasticket reproduce THIS_FILE --exact --wait

or POST this file to /studies/import. It is run again from its specification alone. The same digests are promised
for exact mode within one fingerprint: the same versions, device, processor capability and threads.
"""
