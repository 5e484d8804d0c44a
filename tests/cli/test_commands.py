"""The `elasticket` lines of README and docs, as they are printed, against a server that answers as documented."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.answering import Documented

ROOT = Path(__file__).parents[2]
VALUES = {"JOB": "4b1d" * 8, "TICKET": "9f2c" * 16, "STRETCHED": "c07e" * 16, "STUDY": "7c5e" * 8}
FILES = (
    "mlp_4.ticket.safetensors",
    "mlp_2.prune.pth",
    "tiny_mixer.json",
    "level_10/main/mask.pth",
    "lottery_results/x",
)


def lines(page: str) -> list[str]:
    """The `elasticket` lines of a page."""
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("elasticket ")]


@pytest.fixture
def run(
    documented: Documented, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Runs a line where all files that the pages speak of are."""
    monkeypatch.chdir(tmp_path)
    for file in FILES:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_bytes(b"{}")
    ended = {"finished_at": "2026-01-01T12:01:00Z", "counts": {"succeeded": 1}, "jobs": []}
    documented.changes = {"GET /studies/{study}": ended}
    documented.absent = f"/jobs/{VALUES['STUDY']}"

    def invoke(line: str) -> None:
        for name, value in VALUES.items():
            line = line.replace(f"${name}", value)
        before = len(server.seen)
        result = CliRunner().invoke(app, [*shlex.split(line)[1:], "--server", server.url])
        assert result.exit_code == 0, f"{line}\n{result.output}"
        assert len(server.seen) > before, line

    return invoke


class TestReadme:
    @pytest.mark.parametrize("line", lines("README.md"))
    def test_each_is_accepted_and_sent(self, run: Callable[[str], None], line: str) -> None:
        run(line)


class TestDocs:
    def test_together_they_ask_every_route(
        self, documented: Documented, server: Any, run: Callable[[str], None]
    ) -> None:
        for line in lines("docs/client.md"):
            run(line)
        reached = {documented.named(method, path) for method, path, _, _ in server.seen}
        missing = documented.operations.keys() - reached
        assert not missing, f"docs/client.md shows no command for {', '.join(sorted(missing))}"
