"""What can be done with tickets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Unpack, cast

import httpx

from api.client.answer import Identified, identity
from api.client.direct import DirectUploads
from api.client.files import opened, rewinding
from api.client.models.jobs import Deleted, Job
from api.client.models.queries import CompleteUploadQuery, ListTicketsQuery, UploadTicketQuery
from api.client.models.tickets import Anatomy, Layers, Lineage, Recognised, Results, Ticket, TicketComparison
from api.client.transport import given, new_key


class Tickets(DirectUploads):
    """Routes under /tickets."""

    def tickets(self, **filters: Unpack[ListTicketsQuery]) -> Iterator[Ticket]:
        """All tickets that pass the filters, newest first; `limit` is how many are asked for at a time."""
        return self.pages(Ticket, "/tickets", filters)

    def ticket(self, ticket: str) -> Ticket:
        """A ticket: its figures, where it comes from, its tags."""
        return self.get(Ticket, f"/tickets/{ticket}")

    def push(self, file: Path | str | BinaryIO, **said: Unpack[UploadTicketQuery]) -> Ticket | Job:
        """Upload a file, read as it is sent: a ticket, or, of another format, the job that imports it.

        A folder is sent as a tar. What the file cannot say is `said`. Where the installation has an object store a
        large file is sent there, and a job takes in a ticket too.
        """
        with opened(file) as content:
            job = self._push_directly(content, cast(CompleteUploadQuery, given(said)))
            if job is not None:
                return job
            answer = self._upload(content, given(said))
        return self.parsed(Job, answer) if "state" in answer.json() else self.parsed(Ticket, answer)

    def recognise(self, file: Path | str | BinaryIO, **said: Unpack[UploadTicketQuery]) -> Recognised:
        """What a file is, and what would become of it if it were pushed; nothing is kept."""
        return self.parsed(Recognised, self._upload(file, given(said) | {"dry_run": True}))

    def _upload(self, file: Path | str | BinaryIO, query: dict[str, Any]) -> httpx.Response:
        with opened(file) as content:
            return self.send(
                "POST",
                "/tickets",
                content=content,
                params=query,
                headers={"Content-Type": "application/octet-stream", **new_key()},
                rewind=rewinding(content),
            )

    def pull(self, ticket: str | Identified, to: Path | str, format: str = "elasticket") -> Path:  # noqa: A002
        """Download a ticket's file; its digest is checked. A conversion is waited for."""
        return self.download(f"/tickets/{identity(ticket)}/file", to, {"format": format}, digest=True)

    def delete_ticket(self, ticket: str | Identified) -> Deleted:
        """Delete a ticket and its files; its place in the lineage of others stays."""
        return self.parsed(Deleted, self.send("DELETE", f"/tickets/{identity(ticket)}"))

    def layers(self, ticket: str | Identified) -> Layers:
        """The survivors of each prunable tensor, and which of them any path takes."""
        return self.get(Layers, f"/tickets/{identity(ticket)}/layers")

    def mask(self, ticket: str | Identified, layer: str, to: Path | str) -> Path:
        """Download a picture (PNG) of a layer's mask: rows are outputs, columns inputs; white survives."""
        return self.download(f"/tickets/{identity(ticket)}/layers/{layer}/mask.png", to)

    def lineage(self, ticket: str | Identified) -> Lineage:
        """What a ticket was transformed from, and what was transformed from it."""
        return self.get(Lineage, f"/tickets/{identity(ticket)}/lineage")

    def results(self, ticket: str | Identified) -> Results:
        """A ticket's accuracies: by dataset and point, and each measurement."""
        return self.get(Results, f"/tickets/{identity(ticket)}/results")

    def anatomy(self, ticket: str | Identified) -> Anatomy:
        """Which tensors of a ticket repeat, as far as can be told: a draft of an architecture to post."""
        return self.get(Anatomy, f"/tickets/{identity(ticket)}/anatomy")

    def compare(self, ticket: str | Identified, other: str | Identified) -> TicketComparison:
        """How much two tickets agree: their masks, beside what chance would give, and their weights."""
        return self.get(TicketComparison, f"/tickets/{identity(ticket)}/compare/{identity(other)}")
