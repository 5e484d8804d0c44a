from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cli.stack import Process, Stack, StartFailed, ending

SLEEPER = "import time; time.sleep(60)"
STUBBORN = (
    f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEPER}"
)


def python(name: str, code: str, **options: object) -> Process:
    return Process(name, [sys.executable, "-c", code], **options)  # type: ignore[arg-type]


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def announcing(folder: Path, name: str) -> Process:
    """A process that writes its start and its SIGTERM into one common file."""
    code = textwrap.dedent(f"""
        import signal, sys, time
        def say(word):
            with open({str(folder / "story")!r}, "a") as story:
                story.write(f"{name} {{word}}\\n")
        def end(*_):
            say("ends")
            sys.exit()
        signal.signal(signal.SIGTERM, end)
        say("starts")
        time.sleep(60)
    """)
    return python(name, code, ready=lambda: f"{name} starts" in story_of(folder))


def story_of(folder: Path) -> list[str]:
    path = folder / "story"
    return path.read_text().splitlines() if path.exists() else []


class TestStart:
    def test_each_waits_for_the_one_before_and_they_end_in_reverse_order(self, tmp_path: Path) -> None:
        with Stack([announcing(tmp_path, name) for name in "abc"], print):
            assert story_of(tmp_path) == ["a starts", "b starts", "c starts"]
        assert story_of(tmp_path)[3:] == ["c ends", "b ends", "a ends"]

    def test_a_process_to_run_once_has_ended_before_the_next_starts(self, tmp_path: Path) -> None:
        made = tmp_path / "made"
        first = python("first", f"import time; time.sleep(0.3); open({str(made)!r}, 'w')", once=True)
        with Stack([first, python("second", SLEEPER)], print) as stack:
            assert made.exists()
            assert list(stack.pids()) == ["second"]

    def test_one_that_ends_at_once_fails_the_start_and_the_others_are_stopped(self, tmp_path: Path) -> None:
        story = announcing(tmp_path, "a")
        broken = python(
            "broken", "print('no such thing'); raise SystemExit(3)", once=True, log=tmp_path / "log"
        )
        with pytest.raises(
            StartFailed, match=r"broken ended with status 3 while starting(.|\n)*no such thing"
        ):
            Stack([story, broken], print).__enter__()
        assert story_of(tmp_path) == ["a starts", "a ends"]

    def test_one_that_is_never_ready_fails_the_start(self) -> None:
        never = python("slow", SLEEPER, ready=lambda: False, start_seconds=0.2)
        with pytest.raises(StartFailed, match=r"slow was not ready after 0.2 s"):
            Stack([never], print).__enter__()

    def test_a_command_that_does_not_exist_fails_the_start(self) -> None:
        with pytest.raises(StartFailed, match="ghost ended with status"):
            Stack([Process("ghost", ["/no/such/command"], ready=lambda: False)], print).__enter__()

    def test_environment_and_directory_are_the_process_s_own(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        code = "import os; print(os.getcwd(), os.environ['WORD'], 'HOME' in os.environ)"
        once = python("once", code, environment={"WORD": "set"}, directory=tmp_path, log=log, once=True)
        with Stack([once], print):
            assert log.read_text().split() == [str(tmp_path), "set", str("HOME" in os.environ)]


class TestKeepRunning:
    def test_a_killed_process_is_started_again_and_it_is_said(self) -> None:
        said: list[str] = []
        with Stack([python("phoenix", SLEEPER), python("other", SLEEPER)], said.append) as stack:
            before = stack.pids()
            os.kill(before["phoenix"], signal.SIGKILL)
            until(lambda: stack.pids().get("phoenix", before["phoenix"]) != before["phoenix"])
            assert stack.pids()["other"] == before["other"]
        assert said == ["phoenix was killed by SIGKILL; it is started again in 0.5 s"]

    def test_the_wait_doubles_while_it_keeps_dying(self) -> None:
        said: list[str] = []
        with Stack([python("moth", "raise SystemExit(7)", ready=lambda: True)], said.append):
            until(lambda: len(said) >= 2)
        assert said[:2] == [
            "moth ended with status 7; it is started again in 0.5 s",
            "moth ended with status 7; it is started again in 1 s",
        ]


class TestStop:
    def test_after_the_grace_the_deaf_are_killed(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        deaf = python("deaf", STUBBORN, grace=0.3, log=log, ready=lambda: "deaf" in log.read_text())
        with Stack([deaf], print) as stack:
            pid = stack.pids()["deaf"]
        assert not is_running(pid)

    def test_its_children_are_killed_with_it(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        child = f"subprocess.Popen([sys.executable, '-c', {SLEEPER!r}])"
        code = f"import subprocess, sys; print({child}.pid, flush=True); {STUBBORN}"
        family = python("family", code, grace=0.3, log=log, ready=lambda: "deaf" in log.read_text())
        with Stack([family], print):
            pid = int(log.read_text().split()[0])
            assert is_running(pid)
        until(lambda: not is_running(pid))

    def test_an_exception_in_the_block_stops_everything(self) -> None:
        with pytest.raises(LookupError), Stack([python("a", SLEEPER)], print) as stack:
            pid = stack.pids()["a"]
            raise LookupError
        assert not is_running(pid)


MANAGER = f"""
import sys
from pathlib import Path
from cli.installation import interruptible
from cli.stack import Process, Stack
log = Path(sys.argv[1])
sleeper = Process("sleeper", [sys.executable, "-c", {SLEEPER!r}])
deaf = Process("deaf", [sys.executable, "-c", {STUBBORN!r}], log=log, grace=60, ready=lambda: "deaf" in log.read_text())
with interruptible(), Stack([deaf, sleeper], print) as stack:
    print(*stack.pids().values(), flush=True)
    stack.wait()
"""


class TestManager:
    """The manager as a process, and what is left of it."""

    @pytest.fixture
    def manager(self, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-c", MANAGER, str(tmp_path / "log")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            yield process
            process.kill()

    def children_of(self, manager: subprocess.Popen[bytes]) -> list[int]:
        assert manager.stdout is not None
        deaf, sleeper = (int(word) for word in manager.stdout.readline().split())
        assert is_running(deaf)
        assert is_running(sleeper)
        return [deaf, sleeper]

    def test_sigkill_leaves_no_orphan(self, manager: subprocess.Popen[bytes]) -> None:
        pids = self.children_of(manager)
        manager.kill()
        until(lambda: not any(map(is_running, pids)))

    def test_a_second_signal_does_not_wait_for_the_grace(self, manager: subprocess.Popen[bytes]) -> None:
        deaf, sleeper = self.children_of(manager)
        manager.send_signal(signal.SIGTERM)
        until(lambda: not is_running(sleeper))
        assert is_running(deaf)
        manager.send_signal(signal.SIGINT)
        manager.wait(timeout=20)
        assert not is_running(deaf)


class TestEnding:
    def test_a_signal_is_named(self) -> None:
        assert ending(-9) == "was killed by SIGKILL"

    def test_a_status_is_given(self) -> None:
        assert ending(3) == "ended with status 3"
