"""The README's `elasticket` lines, as they are printed, against a server that answers anything asked for."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if line.startswith("elasticket ")]
JOB, TICKET = "4b1d" * 8, "9f2c" * 16
FIGURES = {
    "survivors_a": 1,
    "survivors_b": 1,
    "both": 1,
    "iou": 1.0,
    "chance": 1.0,
    "cosine": 1.0,
    "sign_agreement": 1.0,
}


@pytest.fixture
def anything(server: Any) -> Any:
    """The server, with an answer for every path."""
    job = {
        "id": JOB,
        "kind": "export",
        "state": "succeeded",
        "spec": {"ticket": TICKET, "format": "dense"},
        "progress": None,
        "error": None,
        "outputs": {"tickets": [TICKET], "runs": [], "results": []},
    }
    comparison: dict[str, Any] = {
        "tensors": [],
        "total": FIGURES,
        "only_a": [],
        "only_b": [],
        "other_shape": [],
    }
    bodies: dict[str, Any] = {
        f"/jobs/{JOB}": job,
        f"/tickets/{TICKET}/compare/{TICKET}": comparison,
        "/architectures": {"name": "tiny_mixer:2", "prunable": 1},
        **{f"/{verb}": job for verb in ("find", "transform", "train", "tickets")},
    }
    server.answers = {
        path: [(200, "application/json", json.dumps(body).encode())] for path, body in bodies.items()
    }
    stream = b'id: 1\nevent: state\ndata: {"state": "succeeded"}\n\n'
    server.answers[f"/jobs/{JOB}/events"] = [(200, "text/event-stream", stream)]
    server.answers[f"/tickets/{TICKET}/file"] = [(200, "application/octet-stream", b"bytes")]
    return server


class TestCommands:
    def test_there_are_some(self) -> None:
        assert len(LINES) > 8

    @pytest.mark.parametrize("line", LINES)
    def test_each_is_accepted_and_sent(
        self, anything: Any, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for file in ("mlp_4.ticket.safetensors", "mlp_2.prune.pth", "tiny_mixer.json"):
            Path(file).write_bytes(b"{}")
        Path("lottery_results").mkdir()
        if "--dry-run" in line:
            anything.answers["/transform"] = [(200, "application/json", b'{"tickets": []}')]
        words = shlex.split(line.replace("$TICKET", TICKET).replace("$STRETCHED", TICKET))[1:]
        result = CliRunner().invoke(app, [*words, "--server", anything.url])
        assert result.exit_code == 0, result.output
        assert anything.seen
