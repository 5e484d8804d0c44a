"""Archives of studies as attackers send them; every file here is made with the standard library alone."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.families import architecture
from core.interchange.studies import LARGEST_STUDY, BadArchive, open_study
from core.tickets import Metadata, Ticket, ticket_id, write

TOLD: dict[str, Any] = {
    "format": "elasticket-study/1",
    "versions": {"elasticket": "0.1.0", "numerics": 1},
    "spec": {},
    "created_at": "2026-01-01T12:00:00Z",
    "finished_at": None,
    "fingerprints": [{"torch": "2.13.0", "threads": 1, "exact": True}],
    "tickets": [],
    "jobs": [],
}
RUN: dict[str, Any] = {
    **dict.fromkeys(("seed", "order_seed", "start_step", "steps", "fingerprint"), 0),
    **dict.fromkeys(("ticket", "level", "speed")),
    "architecture": "mlp_1",
    "dataset": "digits",
    "sparsity": 0.5,
    "seconds": 1.5,
    "shared": False,
    "weights_digest": "0" * 64,
}
JOB: dict[str, Any] = {
    **dict.fromkeys(("spec", "error", "started_at", "finished_at")),
    **{name: [] for name in ("tickets", "runs", "results")},
    "key": "a",
    "kind": "train",
    "state": "succeeded",
}


def a_ticket() -> tuple[str, bytes]:
    network = architecture("mlp_1", (1, 8, 8), 10)
    ones = {spec.name: np.ones(spec.shape, np.float32) for spec in network.tensors}
    ticket = Ticket.from_dense(network, 0, {s.name: np.ones(s.shape, bool) for s in network.prunable}, ones)
    stream = io.BytesIO()
    write(ticket, Metadata(), stream)
    return ticket_id(ticket), stream.getvalue()


IDENTITY, CONTENT = a_ticket()
WITH_TICKET = TOLD | {"tickets": [IDENTITY]}
NAME = f"tickets/{IDENTITY}.ticket.safetensors"


def zipped(*files: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return stream.getvalue()


def archive(told: Any = TOLD, *files: tuple[str, bytes]) -> bytes:
    content = told if isinstance(told, bytes) else json.dumps(told).encode()
    return zipped(("study.json", content), *files)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Any]:
    def open_bytes(content: bytes, limit: int = 1 << 30) -> Any:
        (tmp_path / "archive").write_bytes(content)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        study = open_study(tmp_path / "archive", scratch, limit)
        return study.archive, dict(study.tickets())

    return open_bytes


class TestOpen:
    def test_what_it_says_and_its_tickets(self, opened: Callable[..., Any]) -> None:
        others = [(name, b"\xff") for name in ("README.txt", "table.csv", "histories.jsonl")]
        told, tickets = opened(
            archive(WITH_TICKET | {"jobs": [JOB | {"runs": [RUN]}]}, (NAME, CONTENT), *others)
        )
        assert told.jobs[0].runs[0].weights_digest == "0" * 64
        assert {identity: ticket_id(file.ticket) for identity, file in tickets.items()} == {
            IDENTITY: IDENTITY
        }

    @pytest.mark.parametrize(
        ("content", "where", "what"),
        [
            (b"", "byte 0", "no zip"),
            (b"{}", "byte 0", "no zip"),
            (archive()[:-8], "end of zip", "damaged"),
            (archive() + b"x", "end of zip", "damaged"),
            (b"PK\x03\x04" + bytes(100), "end of zip", "damaged"),
            (zipped(("README.txt", b"")), "study.json", "missing"),
            (archive(TOLD, ("study.py", b"")), "'study.py'", "unknown file"),
            (archive(TOLD, ("../study.json", b"{}")), "'../study.json'", "member name"),
            (archive(TOLD, ("/etc/passwd", b"")), "'/etc/passwd'", "member name"),
            (archive(TOLD, ("tickets/x.ticket.safetensors", b"")), "'tickets/x", "unknown file"),
            (archive(TOLD, ("tickets/sub/" + NAME, b"")), "'tickets/sub/", "unknown file"),
            (archive(TOLD, (NAME, CONTENT)), NAME, "unlisted"),
            (archive(WITH_TICKET), NAME, "missing"),
            (archive(WITH_TICKET, (NAME, CONTENT[:-4])), NAME, "payload truncated"),
            (archive(WITH_TICKET, (NAME, b"")), NAME, "file too short"),
            (archive(b"{"), "study.json", "json syntax"),
            (archive(b"[]"), "study.json", "dictionary"),
            (archive(b"\xff"), "study.json, byte 0", "UTF-8"),
            (archive(b'{"format": 1, "format": 1}'), "study.json", "duplicate"),
            (archive(b"[" * 100_000), "study.json", "json"),
            (archive(b'{"format": NaN}'), "study.json", "number"),
            (archive(TOLD | {"format": "elasticket-study/2"}), "/format", "elasticket-study/1"),
            (archive(TOLD | {"more": 1}), "/more", "not permitted"),
            (archive(TOLD | {"spec": {"a": "\0"}}), "study.json", "NUL"),
            (archive(TOLD | {"tickets": ["../x"]}), "/tickets/0", "pattern"),
            (archive(TOLD | {"jobs": [JOB, JOB]}), "/jobs/1/key", "twice"),
            (archive(TOLD | {"jobs": [JOB | {"tickets": [IDENTITY]}]}), "/jobs/0/tickets", "not listed"),
            (
                archive(TOLD | {"jobs": [JOB | {"runs": [RUN | {"fingerprint": 1}]}]}),
                "fingerprint",
                "no such",
            ),
        ],
    )
    def test_what_is_no_archive_is_refused_where_it_is_wrong(
        self, opened: Callable[..., Any], content: bytes, where: str, what: str
    ) -> None:
        with pytest.raises(BadArchive) as refused:
            opened(content)
        assert where in refused.value.where
        assert what in refused.value.what + refused.value.accepted
        assert refused.value.accepted

    def test_a_ticket_under_another_s_name_is_refused(self, opened: Callable[..., Any]) -> None:
        name = f"tickets/{'0' * 64}.ticket.safetensors"
        with pytest.raises(BadArchive, match=f"the ticket is {IDENTITY}"):
            opened(archive(TOLD | {"tickets": ["0" * 64]}, (name, CONTENT)))

    def test_a_name_that_occurs_twice_is_refused(self, opened: Callable[..., Any]) -> None:
        with pytest.warns(UserWarning, match="Duplicate"):
            content = archive(TOLD, ("study.json", b"{}"))
        with pytest.raises(BadArchive, match="member twice"):
            opened(content)

    def test_an_encrypted_member_is_refused(self, opened: Callable[..., Any]) -> None:
        content = bytearray(archive())
        content[6] |= 1
        content[content.rindex(b"PK\x01\x02") + 8] |= 1
        with pytest.raises(BadArchive, match="member encrypted"):
            opened(bytes(content))

    def test_no_more_is_unpacked_than_was_allowed(self, opened: Callable[..., Any], tmp_path: Path) -> None:
        content = archive(WITH_TICKET, (NAME, bytes(64 << 20)))
        assert len(content) < 1 << 20
        with pytest.raises(BadArchive, match="too large"):
            opened(content, 32 << 20)
        assert list((tmp_path / "scratch").iterdir()) == []

    def test_a_study_that_would_take_much_memory_is_not_parsed(self, opened: Callable[..., Any]) -> None:
        with pytest.raises(BadArchive, match=r"too large at study\.json"):
            opened(archive(b"[" * (LARGEST_STUDY + 1)))
