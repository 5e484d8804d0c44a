from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from workers import usage
from workers.usage import Usage

BUSY = """
import subprocess, sys
block = bytearray(60 << 20)
if len(sys.argv) == 1:
    subprocess.Popen([sys.executable, __file__, "child"])
print("ready", flush=True)
while True:
    pass
"""


@pytest.fixture
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A process and its child, each with 60 MiB and never at rest."""
    program = tmp_path_factory.mktemp("busy") / "busy.py"
    program.write_text(BUSY)
    with subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        for _ in range(2):
            assert process.stdout.readline() == b"ready\n"
        yield process.pid
        os.killpg(process.pid, 9)


class TestUsage:
    def test_is_that_of_a_process_and_those_it_started(
        self, busy: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(usage, "EVERY_SECONDS", 0.3)
        looked = Usage(busy)
        assert looked.look() is None
        found = []
        while len(found) < 2:
            time.sleep(0.05)
            if told := looked.look():
                found.append(told)
        assert 120 << 20 < found[1]["memory_bytes"] < 300 << 20
        assert 0.1 < found[1]["cores"] < 2.2

    def test_one_that_has_ended_uses_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(usage, "EVERY_SECONDS", 0.0)
        with subprocess.Popen(["true"]) as process:
            process.wait()
            assert Usage(process.pid).look() is None


class TestVisible:
    @pytest.mark.parametrize(
        ("chosen", "expected"),
        [(None, ["0", "1"]), ("1", ["1"]), ("GPU-ab, 0", ["GPU-ab", "0"]), ("", []), ("-1", [])],
    )
    def test_gpus_are_those_that_cuda_shows(
        self, chosen: str | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if chosen is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        assert usage._visible(2) == expected

    @pytest.mark.parametrize(
        ("numbers", "expected"),
        [(None, ["a", "b"]), ([1], ["b"]), ([0, 1], ["a", "b"]), ([], []), ([1, 2], ["b"])],
    )
    def test_a_job_tells_of_those_that_it_was_given(
        self, numbers: list[int] | None, expected: list[str]
    ) -> None:
        assert usage._given(["a", "b"], numbers) == expected
