"""Confinement for real: each attempt is made in a process of its own, after `confine`."""

from __future__ import annotations

import platform
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

MIB = 1 << 20


def attempt(
    tmp_path: Path,
    code: str,
    memory: int = 256 * MIB,
    cpu: int = 20,
    file: int = MIB,
) -> subprocess.CompletedProcess[str]:
    """Run `code` in a confined process whose directory is `tmp_path`."""
    program = f"""
import os, socket, ctypes, threading, resource, signal, subprocess, sys
import numpy as np
from core.interchange import confinement
from core.interchange.confinement import LimitReached, confine
confine({memory}, {cpu}, {file})
{textwrap.dedent(code)}
"""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        env={"HERE": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def error_of(tmp_path: Path, code: str, **limits: int) -> str:
    """The name of the exception that `code` ends in, or what it printed."""
    done = attempt(
        tmp_path,
        "try:\n" + textwrap.indent(textwrap.dedent(code), "    ") + "\nexcept BaseException as problem:\n"
        "    print(type(problem).__name__, getattr(problem, 'errno', None) or '')\n",
        **limits,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class TestConfine:
    @pytest.mark.parametrize(
        "code",
        [
            "socket.socket()",
            "socket.socket(socket.AF_UNIX)",
            "socket.socketpair()",
            "os.fork()",
            "subprocess.run(['/bin/true'])",
            "os.execv('/bin/true', ['true'])",
            "os.posix_spawn('/bin/true', ['true'], {})",
            "os.kill(os.getppid(), 0)",
            "os.kill(os.getpid(), signal.SIGTERM)",
            "signal.pthread_kill(threading.get_ident(), signal.SIGTERM)",
            "os.pidfd_open(os.getppid())",
            "os.memfd_create('a')",
        ],
    )
    def test_sockets_and_processes_are_denied(self, tmp_path: Path, code: str) -> None:
        assert error_of(tmp_path, code) == "PermissionError 1"

    @pytest.mark.parametrize(
        "numbers",
        [
            pytest.param({"x86_64": x86_64, "aarch64": aarch64}, id=name)
            for name, x86_64, aarch64 in [
                ("ptrace", 101, 117),
                ("process_vm_readv", 310, 270),
                ("io_uring_setup", 425, 425),
                ("socket of x32", 41 | 0x40000000, None),
                ("pidfd_open", 434, 434),
                ("pidfd_getfd", 438, 438),
                ("pidfd_send_signal", 424, 424),
                ("unshare", 272, 97),
                ("setns", 308, 268),
                ("mount", 165, 40),
                ("bpf", 321, 280),
                ("keyctl", 250, 219),
                ("userfaultfd", 323, 282),
                ("perf_event_open", 298, 241),
                ("memfd_create", 319, 279),
                ("mq_open", 240, 180),
                ("shmget", 29, 194),
                ("kill", 62, 129),
                ("tkill", 200, 130),
                ("tgkill", 234, 131),
                ("rt_sigqueueinfo", 129, 138),
                ("rt_tgsigqueueinfo", 297, 240),
            ]
        ],
    )
    def test_raw_calls_are_denied(self, tmp_path: Path, numbers: dict[str, int | None]) -> None:
        number = numbers.get(platform.machine())
        if number is None:
            pytest.skip(f"no such call on {platform.machine()}")
        code = f"""
        libc = ctypes.CDLL(None, use_errno=True)
        print(libc.syscall({number}, 0, 0, 0, 0), ctypes.get_errno())
        """
        assert error_of(tmp_path, code) == "-1 1"

    def test_a_lower_limit_that_is_set_already_stays(self, tmp_path: Path, run_program: Any) -> None:
        program = """
import resource
from core.interchange.confinement import confine
kinds = [resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU]
lower = [1 << 32, 1 << 16, 7]
for kind, most in zip(kinds, lower):
    resource.setrlimit(kind, (most, most))
confine(1 << 40, 20, 1 << 20)
assert [resource.getrlimit(kind) for kind in kinds] == [(most, most) for most in lower]
print("confined")
"""
        done = run_program(program)
        assert done.stdout == "confined\n", done.stderr

    def test_os_system_cannot_start_a_shell(self, tmp_path: Path) -> None:
        error_of(tmp_path, "os.system('touch ' + os.environ['HERE'] + '/marker')")
        assert list(tmp_path.iterdir()) == []

    def test_threads_that_ran_before_are_confined_too(self, tmp_path: Path, run_program: Any) -> None:
        program = """
import os, socket, threading
from core.interchange.confinement import confine
go, found = threading.Event(), []
def late():
    go.wait()
    try:
        socket.socket()
        found.append("a socket")
    except PermissionError:
        found.append("denied")
thread = threading.Thread(target=late)
thread.start()
confine(1 << 28, 20, 1 << 20)
go.set()
thread.join()
print(found)
"""
        done = run_program(program)
        assert done.stdout == "['denied']\n", done.stderr

    def test_memory_is_bounded_beyond_what_is_mapped(self, tmp_path: Path) -> None:
        assert error_of(tmp_path, "np.ones(1 << 20)", memory=64 * MIB) == ""
        assert "MemoryError" in error_of(tmp_path, "np.ones(1 << 24)", memory=64 * MIB)

    def test_processor_time_is_bounded_by_an_exception(self, tmp_path: Path) -> None:
        assert error_of(tmp_path, "while True: sum(range(1000))", cpu=0) == "LimitReached"

    def test_files_are_bounded(self, tmp_path: Path) -> None:
        code = "open(os.environ['HERE'] + '/large', 'wb').write(bytes(2 << 20))"
        assert error_of(tmp_path, code, file=MIB) in ("OSError 27", "")
        assert (tmp_path / "large").stat().st_size <= MIB

    def test_threads_files_and_numpy_still_work(self, tmp_path: Path) -> None:
        code = """
        seen = []
        thread = threading.Thread(target=lambda: seen.append(float(np.ones((50, 50)).dot(np.ones(50)).sum())))
        thread.start()
        thread.join()
        open(os.environ['HERE'] + '/small', 'w').write(str(seen[0]))
        """
        assert error_of(tmp_path, code) == ""
        assert (tmp_path / "small").read_text() == "2500.0"

    def test_an_unknown_machine_is_refused(self, tmp_path: Path, run_program: Any) -> None:
        program = """
import platform
platform.machine = lambda: "vax"
from core.interchange.confinement import Unconfinable, confine
try:
    confine(1 << 28, 20, 1 << 20)
except Unconfinable as problem:
    print(problem)
"""
        done = run_program(program)
        assert "vax" in done.stdout, done.stderr
