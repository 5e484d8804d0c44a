"""A command for every route: run against a server that answers as documented, together they ask all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.answering import Documented

VALUES = {
    "JOB": "4b1d" * 8,
    "TICKET": "9f2c" * 16,
    "STRETCHED": "c07e" * 16,
    "STUDY": "7c5e" * 8,
    "KEY": "4b1d" * 3,
}
FILES = ("mlp_4.ticket.safetensors", "mlp_2.prune.pth", "tiny_mixer.json", "level_10/mask")
LINES = """
find mlp_2 digits --level 10 --wait
transform $TICKET mlp_4 --order append --dry-run
transform $TICKET mlp_4 --order append
train $STRETCHED digits --seeds 0,1,2
evaluate $STRETCHED digits
connect $JOB $JOB:1
compare-runs $JOB:0 $JOB:1
prioritise $JOB 7
jobs --state running --state queued
jobs --kind train --limit 5 --json
show $JOB
watch $JOB
log $JOB
runs $JOB
ledger $JOB
cancel $JOB
retry $JOB
push mlp_4.ticket.safetensors --tag mine
push mlp_2.prune.pth --dry-run
push level_10/ --dataset cifar10
pull $TICKET --format onnx -o mlp_2.onnx
tickets --family mlp --sparsity-min 0.8
show $TICKET
layers $TICKET
mask $TICKET fc.weight -o mask.png
lineage $TICKET
results $TICKET
anatomy $TICKET --json
compare $TICKET $STRETCHED
study elth_fc --scale small --dry-run
study elth_fc --scale small --set seeds=0,1
studies
show $STUDY
watch $STUDY
extend $STUDY --set seeds=3,4 --dry-run
extend $STUDY --set seeds=3,4
resume $STUDY
cancel $STUDY
table $STUDY --latex
figures $STUDY
figures $STUDY -o figures --format png
ledger $STUDY
archive $STUDY -o study.zip
reproduce study.zip
plan mlp_2 mlp_3 --dataset digits
architectures list
architectures show mlp_2 --dataset digits
architectures post tiny_mixer.json
datasets
methods
health
fleet
metrics
keys list
keys make nightly --scope write --days 90
keys revoke $KEY
admin drain host:1 --now
admin resume host:1
audit --of $JOB
delete ticket $TICKET
delete job $JOB
delete study $STUDY
"""


class TestEveryRoute:
    def test_has_a_command(
        self, documented: Documented, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for file in FILES:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            Path(file).write_bytes(b"{}")
        ended = {"finished_at": "2026-01-01T12:01:00Z", "counts": {"succeeded": 1}, "jobs": []}
        documented.changes = {"GET /studies/{study}": ended, "POST /uploads": {"parts": []}}
        # A tar is large enough for the object store, a file is not.
        monkeypatch.setattr("api.client.direct.LEAST_BYTES", 5000)
        documented.absent = f"/jobs/{VALUES['STUDY']}"
        for line in LINES.strip().splitlines():
            for name, value in VALUES.items():
                line = line.replace(f"${name}", value)
            before = len(server.seen)
            result = CliRunner().invoke(app, [*line.split(), "--server", server.url])
            assert result.exit_code == 0, f"{line}\n{result.output}"
            assert len(server.seen) > before, line
        reached = {documented.named(method, path) for method, path, _, _ in server.seen}
        missing = documented.operations.keys() - reached
        assert not missing, f"add a command for {', '.join(sorted(missing))}, and a line here"
