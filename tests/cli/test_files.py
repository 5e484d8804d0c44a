from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from api.catalogue.examples import MLP_1
from tests.cli.answers import TICKET, as_json, ends, job, run


class TestFiles:
    def test_what_is_pulled_is_named_after_the_ticket(
        self, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        server.answers[f"/tickets/{TICKET}/file"] = [(200, "application/octet-stream", b"bytes")]
        assert run(server, "pull", TICKET).exit_code == 0
        assert run(server, "pull", TICKET, "--format", "onnx").exit_code == 0
        names = {f"{TICKET[:16]}.ticket.safetensors", f"{TICKET[:16]}.onnx"}
        assert {path.name for path in tmp_path.iterdir()} == names
        assert [seen[1].partition("?")[2] for seen in server.seen] == ["format=elasticket", "format=onnx"]

    def test_what_is_not_there_is_not_pushed(self, server: Any, tmp_path: Path) -> None:
        assert run(server, "push", str(tmp_path / "none")).exit_code == 2

    def test_a_file_of_another_format_becomes_a_job_that_can_be_followed(
        self, server: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "t.pth").write_bytes(b"bytes")
        spec = {"format": "dense", "size": 5}
        server.answers["/tickets"] = [as_json(job("queued", kind="import", spec=spec), 202)]
        ends(
            server,
            "succeeded",
            kind="import",
            spec=spec,
            outputs={"tickets": [TICKET], "runs": [], "results": []},
        )
        said = ("--format", "dense", "--input", "1,8,8", "--level", "3", "--rewind-step", "0", "--tag", "a")
        result = run(server, "push", str(tmp_path / "t.pth"), *said, "--wait")
        assert result.exit_code == 0, result.output
        assert server.seen[0][1] == "/tickets?tag=a&format=dense&input=1%2C8%2C8&level=3&rewind_step=0"
        assert server.seen[0][3] == b"bytes"
        assert f"ticket {TICKET}" in result.stdout

    def test_a_folder_is_sent_as_a_tar_without_links(self, server: Any, tmp_path: Path) -> None:
        folder = tmp_path / "lottery"
        (folder / "level_0" / "main").mkdir(parents=True)
        (folder / "level_0" / "main" / "mask.pth").write_bytes(b"mask")
        (folder / "link").symlink_to(folder / "level_0" / "main" / "mask.pth")
        server.answers["/tickets"] = [
            as_json(job("queued", kind="import", spec={"format": None, "size": 5}), 202)
        ]
        assert run(server, "push", str(folder)).exit_code == 0
        with tarfile.open(fileobj=io.BytesIO(server.seen[0][3])) as archive:
            files = {member.name: member for member in archive if member.isfile()}
            assert set(files) == {"lottery/level_0/main/mask.pth", "lottery/link"}
            for member in files.values():
                assert (content := archive.extractfile(member)) is not None
                assert content.read() == b"mask"

    def test_compare(self, server: Any) -> None:
        figures = {
            "survivors_a": 1234,
            "survivors_b": 5,
            "both": 4,
            "iou": 0.5,
            "chance": None,
            "cosine": 1.0,
            "sign_agreement": 1.0,
        }
        figures["size"] = 9999
        body = {
            "a": TICKET,
            "b": "x",
            "tensors": [figures | {"name": "fc.weight"}],
            "total": figures,
            "only_a": ["a.weight"],
            "only_b": [],
            "other_shape": [],
        }
        server.answers[f"/tickets/{TICKET}/compare/x"] = [as_json(body)]
        shown = run(server, "compare", TICKET, "x").stdout
        row = next(line for line in shown.splitlines() if line.startswith("fc.weight"))
        assert row.split() == ["fc.weight", "1,234", "5", "4", "0.5000", "-", "1.0000", "1.0000"]
        assert "only in a: a.weight" in shown
        assert "only in b" not in shown

    def test_an_architecture_is_posted_as_it_stands(self, server: Any, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_bytes(b'{"name": "chain"}')
        server.answers["/architectures"] = [as_json(MLP_1 | {"name": "chain:2", "prunable": 8192}, 201)]
        result = run(server, "architectures", "post", str(tmp_path / "a.json"))
        assert result.stdout == "architecture chain:2: 8,192 prunable weights\n"
        assert json.loads(server.seen[0][3]) == {"name": "chain"}
        assert server.asked("Content-Type") == ["application/json"]
        assert server.asked("Idempotency-Key")[0]
