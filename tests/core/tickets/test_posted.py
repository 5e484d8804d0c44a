"""Tickets of posted architectures: their files bring the family along."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.families import UnknownArchitecture
from core.families.architecture import Architecture
from core.tickets import Failure, InvalidTicket, Metadata, Ticket, TicketFile, read, ticket_id


class TestFile:
    def test_is_read_by_whoever_does_not_know_the_family(
        self, posted_ticket: Ticket, file_of: Callable[..., bytes], tmp_path: Path
    ) -> None:
        def knows_nothing(name: str, *_: object) -> Architecture:
            raise UnknownArchitecture(name)

        path = tmp_path / "a.ticket.safetensors"
        path.write_bytes(file_of(posted_ticket, Metadata()))
        found = read(path, knows_nothing).ticket
        assert found.architecture == posted_ticket.architecture
        assert ticket_id(found) == ticket_id(posted_ticket)

    def test_states_the_definition_in_canonical_form(
        self, posted_ticket: Ticket, file_of: Callable[..., bytes], draft_of: Callable[[bytes], Any]
    ) -> None:
        draft = draft_of(file_of(posted_ticket, Metadata()))
        assert draft.metadata["architecture"] == "chain:3"
        assert draft.metadata["definition"] == posted_ticket.architecture.definition
        assert json.loads(draft.metadata["definition"])["tensors"][0] == {
            "name": "steps",
            "shape": [],
            "dtype": "I64",
        }

    def test_a_built_in_architecture_has_none(self, draft: Any) -> None:
        assert "definition" not in draft.metadata

    def test_without_the_definition_a_posted_architecture_is_refused(
        self,
        posted_ticket: Ticket,
        file_of: Callable[..., bytes],
        draft_of: Callable[[bytes], Any],
        tmp_path: Path,
    ) -> None:
        draft = draft_of(file_of(posted_ticket, Metadata()))
        del draft.metadata["definition"]
        path = tmp_path / "a.ticket.safetensors"
        path.write_bytes(draft.lay_out().build())
        with pytest.raises(InvalidTicket) as refusal:
            read(path, lambda *_: posted_ticket.architecture)
        assert (refusal.value.failure, refusal.value.where) == (Failure.METADATA_MISSING, "definition")


class TestIdentity:
    def test_says_nothing_of_the_definition(
        self, posted_ticket: Ticket, read_bytes: Callable[[bytes], TicketFile], file_of: Callable[..., bytes]
    ) -> None:
        draft = file_of(posted_ticket, Metadata())
        other = draft.replace(rb"[\"*.weight\"]", rb"[\"b*weight\"]")
        assert other != draft
        assert ticket_id(read_bytes(other).ticket) == ticket_id(posted_ticket)
