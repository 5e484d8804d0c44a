from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from api.client import ApiError, Client
from api.jobs.examples import SUCCEEDED
from api.tickets.examples import TICKET_BODY

FILE = "/tickets/t/file"
JSON = "application/json"


class TestPush:
    def test_a_file_is_sent_as_it_is_with_what_is_said_of_it(self, server: Any, tmp_path: Path) -> None:
        (tmp_path / "t").write_bytes(b"\x00ticket\xff")
        server.answers["/tickets"] = [(201, JSON, json.dumps(TICKET_BODY).encode())]
        with Client(server.url) as client:
            made = client.push(tmp_path / "t", tag=["a", "b"], format=None)
        assert made.id == TICKET_BODY["id"]
        ((_, path, headers, content),) = server.seen
        assert (path, content) == ("/tickets?tag=a&tag=b", b"\x00ticket\xff")
        assert headers["idempotency-key"]

    def test_one_whose_answer_is_lost_is_sent_again_from_its_start(self, server: Any) -> None:
        server.answers["/tickets"] = [(201, JSON, None), (202, JSON, json.dumps(SUCCEEDED).encode())]
        file = io.BytesIO(b"sent")
        with Client(server.url) as client:
            assert client.push(file).id == SUCCEEDED["id"]
        assert [content for _, _, _, content in server.seen] == [b"sent"] * 2
        first, second = server.asked("Idempotency-Key")
        assert first == second

    def test_a_folder_is_sent_as_a_tar_under_its_own_name(
        self, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder := tmp_path / "level_10" / "main").mkdir(parents=True)
        (folder / "mask.pth").write_bytes(b"mask")
        monkeypatch.chdir(tmp_path / "level_10")
        server.answers["/tickets"] = [(202, JSON, json.dumps(SUCCEEDED).encode())]
        with Client(server.url) as client:
            client.push(".")
        with tarfile.open(fileobj=io.BytesIO(server.seen[0][3])) as archive:
            assert "level_10/main/mask.pth" in archive.getnames()

    def test_what_is_not_there_is_told_before_anything_is_sent(self, server: Any, tmp_path: Path) -> None:
        with Client(server.url) as client, pytest.raises(FileNotFoundError):
            client.push(tmp_path / "none")
        assert server.seen == []


class TestDownload:
    def test_one_that_breaks_off_is_begun_again(self, server: Any, tmp_path: Path) -> None:
        server.answers[FILE] = [
            (200, "x/y", b"half" + server.CUT),
            (200, "x/y", None),
            (200, "x/y", b"whole"),
        ]
        with Client(server.url) as client:
            path = client.pull("t", tmp_path / "file")
        assert path.read_bytes() == b"whole"
        assert list(tmp_path.iterdir()) == [path]

    def test_an_unfinished_one_leaves_nothing(self, server: Any, tmp_path: Path) -> None:
        server.answers[FILE] = [(200, "x/y", b"half" + server.CUT)]
        (tmp_path / "file").write_bytes(b"old")
        with Client(server.url, patience=0) as client, pytest.raises(ApiError, match="cannot reach"):
            client.pull("t", tmp_path / "file")
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"old"}

    def test_one_that_must_be_converted_first_is_asked_for_again(self, server: Any, tmp_path: Path) -> None:
        server.answers[FILE] = [(202, JSON, b'{"id": "j"}'), (200, "x/y", b"converted")]
        with Client(server.url) as client:
            assert client.pull("t", tmp_path / "file", "onnx").read_bytes() == b"converted"
        assert [path for _, path, _, _ in server.seen] == [FILE + "?format=onnx"] * 2

    def test_its_digest_is_checked_where_the_server_states_one(self, server: Any, tmp_path: Path) -> None:
        server.answers[FILE] = [(200, "x/y", b"content")]
        right, wrong = (hashlib.sha256(content).hexdigest() for content in (b"content", b"other"))
        with Client(server.url) as client:
            server.headers = {"ETag": f'"{right}"'}
            client.pull("t", tmp_path / "file").unlink()
            server.headers = {"ETag": f'"{wrong}"'}
            with pytest.raises(ApiError, match=f"SHA-256 {right} instead of {wrong}") as caught:
                client.pull("t", tmp_path / "file")
        assert caught.value.kind == "damaged"
        assert list(tmp_path.iterdir()) == []

    def test_a_refusal_is_told(self, server: Any, tmp_path: Path) -> None:
        server.answers[FILE] = [(404, "application/problem+json", b'{"detail": "There is no ticket t."}')]
        with Client(server.url) as client, pytest.raises(ApiError, match="There is no ticket t"):
            client.pull("t", tmp_path / "file")
