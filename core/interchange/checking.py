"""Checks an upload in a caged process of its own: whatever a file may be, it costs its reader no more than that.

Parsers of archives and pickles have met inputs before that cost a thousand times their size. Run as a program, this
module is that process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core.interchange.confinement import confine
from core.interchange.failure import Reason, Unreadable
from core.interchange.importing import precheck

MEMORY_BYTES = 1 << 30
CPU_SECONDS = 60
BYTES_PER_SECOND = 20 << 20
"""An upload may take a second more for each of these; what is honest takes a tenth."""

_SLOTS = threading.BoundedSemaphore(2)
_MODULE = "core.interchange.checking"


def check(path: Path, scratch: Path, limit: int) -> None:
    """`precheck` in a process of bounded memory and time, two at once; raises `Unreadable`, `TOO_COSTLY` past them."""
    caged(_MODULE, path, scratch, limit)


def caged(module: str, path: Path, scratch: Path, limit: int, told: str = "") -> Any:
    """What a module, run as a program, prints of a file as JSON; `told` is its standard input.

    It is to `confine` itself, and to print a problem as `refusal` has it. Raises as `check` does.
    """
    seconds = CPU_SECONDS + path.stat().st_size // BYTES_PER_SECOND
    with _SLOTS, TemporaryDirectory(dir=scratch) as folder:
        command = [sys.executable, "-P", "-m", module, str(path), folder, str(limit), str(seconds)]
        try:
            done = subprocess.run(
                command, input=told.encode(), capture_output=True, timeout=2 * seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise _too_costly(seconds) from None
    if done.returncode != 0:
        raise _too_costly(seconds)
    found = json.loads(done.stdout)
    if isinstance(found, dict) and "reason" in found:
        raise Unreadable(Reason(found["reason"]), found["where"], found["accepted"])
    return found


def refusal(problem: Unreadable) -> str:
    """A problem on its way out of a caged process."""
    return json.dumps({"reason": problem.reason, "where": problem.where, "accepted": problem.accepted})


def _too_costly(seconds: int) -> Unreadable:
    accepted = f"a file that can be checked in {seconds} s of processor time and {MEMORY_BYTES >> 20} MiB"
    return Unreadable(Reason.TOO_COSTLY, "file", accepted)


def main(path: str, scratch: str, limit: str, seconds: str) -> None:
    """The process: prints what is wrong with the file, or null."""
    confine(MEMORY_BYTES, int(seconds), int(limit))
    try:
        precheck(Path(path), Path(scratch), int(limit))
    except Unreadable as problem:
        print(refusal(problem))
    else:
        print("null")


if __name__ == "__main__":
    main(*sys.argv[1:])
