"""What a shell sees: exit status, completion, and tables that are drawn on a terminal alone."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import options
from cli.main import app
from tests.answering import Documented

JOB = "4b1d" * 8
ENTRY = [sys.executable, "-c", "from cli.main import app; app(prog_name='elasticket')"]


def status(server: Any, *words: str) -> int:
    return CliRunner().invoke(app, [*words, "--server", server.url]).exit_code


class TestExitStatus:
    def test_done_is_0(self, documented: Documented, server: Any) -> None:
        assert status(server, "jobs") == 0

    def test_refused_is_1(self, documented: Documented, server: Any) -> None:
        documented.absent = "/jobs"
        assert status(server, "log", JOB) == 1

    def test_what_is_neither_a_job_nor_a_study_is_1(self, documented: Documented, server: Any) -> None:
        documented.absent = "/"
        result = CliRunner().invoke(app, ["cancel", JOB, "--server", server.url])
        assert (result.exit_code, result.stderr) == (
            1,
            f"elasticket: There is no job and no study '{JOB}'.\n",
        )

    def test_a_server_that_is_not_there_is_1_at_once_and_says_how_to_start_it(self) -> None:
        result = CliRunner().invoke(app, ["jobs", "--server", "http://127.0.0.1:9"])
        assert result.exit_code == 1
        assert "is `elasticket up` running?" in result.stderr

    @pytest.mark.parametrize("words", [["no-such"], ["find", "mlp_2"], ["jobs", "--limit", "0"], ["log"]])
    def test_what_is_not_understood_is_2_and_not_sent(self, server: Any, words: list[str]) -> None:
        assert CliRunner().invoke(app, words).exit_code == 2
        assert server.seen == []

    def test_interrupted_is_130(self, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        ended = threading.Event()

        def interrupted(*_: Any) -> Any:
            os.kill(os.getpid(), signal.SIGINT)
            ended.wait(10)
            return 200, "", None

        server.answering = interrupted
        monkeypatch.setattr(options, "PATIENCE", 5.0)
        # As a terminal's process has it: one that was started in the background ignores the signal.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            assert status(server, "jobs") == 130
        finally:
            signal.signal(signal.SIGINT, before)
            ended.set()


class TestCompletion:
    def complete(self, words: str) -> set[str]:
        given = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
        variables = given | {"_ELASTICKET_COMPLETE": "complete_bash"}
        found = CliRunner().invoke(app, [], prog_name="elasticket", env=variables)
        return set(found.stdout.split())

    def test_the_script_is_printed(self) -> None:
        command = " ".join(f'"{word}"' for word in ENTRY)
        found = subprocess.run(
            ["bash", "-c", f"{command} --show-completion bash; exit $?"], capture_output=True, text=True
        )
        assert found.returncode == 0, found.stderr
        assert "_ELASTICKET_COMPLETE=complete_bash" in found.stdout

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("elasticket stud", {"study", "studies"}),
            ("elasticket find mlp_", {"mlp_2", "mlp_3"}),
            ("elasticket find mlp_2 dig", {"digits", "digits_32"}),
            ("elasticket find mlp_2 digits --method sn", {"snip"}),
            ("elasticket study elth_d", {"elth_depth", "elth_dataset"}),
            ("elasticket pull x --format on", {"onnx"}),
        ],
    )
    def test_names_are_completed(self, words: str, expected: set[str]) -> None:
        assert expected <= self.complete(words)


class TestTables:
    def test_a_terminal_has_them_drawn_with_states_in_colour(
        self, documented: Documented, server: Any
    ) -> None:
        ours, theirs = pty.openpty()
        environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"}
        environment.pop("NO_COLOR", None)
        with subprocess.Popen(
            [*ENTRY, "jobs", "--server", server.url], stdout=theirs, stderr=theirs, env=environment
        ):
            os.close(theirs)
            shown = b""
            while True:
                try:
                    piece = os.read(ours, 4096)
                except OSError:  # Linux says so when the other end is closed
                    break
                if not piece:
                    break
                shown += piece
        os.close(ours)
        assert re.search(rb"\x1b\[36mrunning", shown)
        assert JOB.encode() in shown

    def test_anywhere_else_they_are_plain(self, documented: Documented, server: Any) -> None:
        shown = CliRunner().invoke(app, ["jobs", "--server", server.url]).stdout
        assert "\x1b" not in shown
        assert shown.splitlines()[0].split() == ["job", "kind", "state", "task", "done"]
