import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.crashpoints import POINTS, crashpoint

PASSES = (
    "from core.crashpoints import crashpoint\nfor name in {names}: crashpoint(name); print(name, flush=True)"
)


@pytest.fixture
def armed(tmp_path: Path) -> Path:
    return tmp_path / "crash-at"


def run(armed: Path, *names: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"ELASTICKET_CRASH_AT": str(armed)}
    command = [sys.executable, "-c", PASSES.format(names=names)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


class TestCrashpoint:
    def test_nothing_happens_without_the_variable(self) -> None:
        assert "ELASTICKET_CRASH_AT" not in os.environ
        for name in POINTS:
            crashpoint(name)

    def test_whoever_passes_the_armed_one_is_killed_at_once(self, armed: Path) -> None:
        armed.write_text("answer")
        done = run(armed, "answered", "answer", "claim.commit")
        assert (done.returncode, done.stdout) == (-9, "answered\n")

    def test_what_is_started_again_lives(self, armed: Path) -> None:
        armed.write_text("answer")
        run(armed, "answer")
        assert not armed.exists()
        assert run(armed, "answer").stdout == "answer\n"

    def test_the_nth_passing_of_all_processes_kills(self, armed: Path) -> None:
        armed.write_text("answer:4")
        assert run(armed, "answer", "answer").returncode == 0
        done = run(armed, "answer", "answer", "answer")
        assert (done.returncode, done.stdout) == (-9, "answer\n")
