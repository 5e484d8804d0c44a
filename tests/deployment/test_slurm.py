"""scripts/deploy/slurm/worker.sbatch, with stand-ins for SLURM's own two commands: what it starts on which node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings

SCRIPT = Path(__file__).parents[2] / "scripts" / "deploy" / "slurm" / "worker.sbatch"
SCONTROL = '#!/bin/bash\n[ "$*" = "show hostnames node[7-8]" ] && printf "node7\\nnode8\\n"\n'
SRUN = """#!/bin/bash
[ "$1" = --kill-on-bad-exit=0 ] || exit 2
shift
for n in $(seq 0 $((SLURM_JOB_NUM_NODES - 1))); do SLURM_PROCID=$n "$@" || exit 1; done
"""
TELL = f"""#!{sys.executable}
import json, os, sys
settings = {{name: value for name, value in os.environ.items() if name.startswith("ELASTICKET_")}}
print(json.dumps([[os.path.basename(sys.argv[0]), *sys.argv[1:]], settings]))
"""
SHARED = {
    "ELASTICKET_DATABASE_URL": "postgresql://db/elasticket",
    "ELASTICKET_BROKER_URL": "redis://broker",
    "ELASTICKET_ARTIFACTS": "/shared",
}


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """Stand-ins: SLURM's commands, and programs that only tell how they were started."""
    for name, text in {"scontrol": SCONTROL, "srun": SRUN, "elasticket": TELL, "python": TELL}.items():
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o755)
    return tmp_path


def submit(commands: Path, nodes: int, **given: str) -> subprocess.CompletedProcess[str]:
    of_slurm = {
        "SLURM_JOB_NODELIST": "node[7-8]",
        "SLURM_JOB_NUM_NODES": str(nodes),
        "SLURM_JOB_ID": "123456",
    }
    environment = {"PATH": f"{commands}:{os.environ['PATH']}", "SLURM_CPUS_PER_TASK": "4"} | of_slurm | given
    return subprocess.run(["bash", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)


def started(done: subprocess.CompletedProcess[str]) -> list[Any]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class TestWorker:
    def test_of_two_nodes_the_first_has_the_worker_and_the_other_lends_its_devices(
        self, commands: Path
    ) -> None:
        first, second = started(submit(commands, 2, **SHARED))
        assert first[0] == ["elasticket", "worker", "--no-dispatcher"]
        assert second[0] == ["python", "-m", "workers.node", "1"]
        assert first[1] == second[1]
        given = {name.removeprefix("ELASTICKET_").lower(): value for name, value in first[1].items()}
        settings = Settings(**given)
        assert (settings.nodes, settings.rendezvous) == (2, "node7:23456")
        assert (settings.slots, settings.trainer_threads) == (1, 4)

    def test_of_one_node_it_is_a_worker_like_any_other(self, commands: Path) -> None:
        ((command, settings),) = started(submit(commands, 1, **SHARED))
        assert command == ["elasticket", "worker", "--no-dispatcher"]
        assert settings["ELASTICKET_NODES"] == "1"

    @pytest.mark.parametrize("missing", SHARED)
    def test_what_all_nodes_share_must_be_said(self, commands: Path, missing: str) -> None:
        done = submit(commands, 1, **{name: value for name, value in SHARED.items() if name != missing})
        assert done.returncode != 0
        assert missing in done.stderr

    @pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no `shellcheck` on the PATH")
    def test_shellcheck_finds_nothing(self) -> None:
        scripts = [SCRIPT, *SCRIPT.parents[1].rglob("*.sh")]
        done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
