"""Confinement for real: each attempt is made in a process of its own, after `confine`."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

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
        ],
    )
    def test_sockets_and_processes_are_denied(self, tmp_path: Path, code: str) -> None:
        assert error_of(tmp_path, code) == "PermissionError 1"

    @pytest.mark.parametrize(
        ("number", "machine"),
        [(101, "x86_64"), (310, "x86_64"), (425, "x86_64"), (41 | 0x40000000, "x86_64"), (117, "aarch64")],
    )
    def test_raw_calls_are_denied(self, tmp_path: Path, number: int, machine: str) -> None:
        if __import__("platform").machine() != machine:
            pytest.skip(f"a number of {machine}")
        code = f"""
        libc = ctypes.CDLL(None, use_errno=True)
        print(libc.syscall({number}, 0, 0, 0, 0), ctypes.get_errno())
        """
        assert error_of(tmp_path, code) == "-1 1"

    def test_os_system_cannot_start_a_shell(self, tmp_path: Path) -> None:
        error_of(tmp_path, "os.system('touch ' + os.environ['HERE'] + '/marker')")
        assert list(tmp_path.iterdir()) == []

    def test_threads_that_ran_before_are_confined_too(self, tmp_path: Path) -> None:
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
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
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

    def test_an_unknown_machine_is_refused(self, tmp_path: Path) -> None:
        program = """
import platform
platform.machine = lambda: "vax"
from core.interchange.confinement import Unconfinable, confine
try:
    confine(1 << 28, 20, 1 << 20)
except Unconfinable as problem:
    print(problem)
"""
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "vax" in done.stdout, done.stderr
