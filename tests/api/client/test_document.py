"""The Python of docs/client.md, run as it is printed, against a server that answers as documented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from api.jobs.examples import SUCCEEDED, TICKET
from tests.answering import Documented

PAGE = Path(__file__).parents[3] / "docs/client.md"


class TestDocs:
    def test_it_runs_from_top_to_bottom(
        self,
        documented: Documented,
        server: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("ELASTICKET_SERVER", server.url)
        documented.changes = {
            "GET /studies/{study}": {"finished_at": "2026-01-01T12:01:00Z"},
            "GET /jobs/{job}": {"outputs": SUCCEEDED["outputs"] | {"tickets": [TICKET]}},
        }
        blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
        assert len(blocks) == 6
        first, *others = (block.replace('"http://127.0.0.1:8000"', "") for block in blocks)
        names: dict[str, Any] = {}
        exec(first, names)
        # The page's `with` statement has ended; what follows it there stands for what would be inside.
        with names["Client"]() as names["client"]:
            for block in others:
                exec(block, names)
        assert "mlp_2: 89.26% pruned" in capsys.readouterr().out
        assert (tmp_path / "mlp_2.ticket.safetensors").exists()
        assert [path.suffix for path in tmp_path.iterdir()].count(".svg") == 1
