"""A small process manager: starts processes in order, restarts those that die, stops them in reverse order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

POLL_SECONDS = 0.05
FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 10.0
STEADY_SECONDS = 30.0
"""A process that lived this long has its back-off forgotten."""
TAIL_LINES = 15
STDERR = 2


@dataclass(frozen=True)
class Process:
    """A process to keep running; or, `once`, to run to its successful end before the next is started.

    `ready` is asked until it says yes; without one a process counts as ready when it has started. `grace` is the time
    from SIGTERM to SIGKILL, in seconds. `log` is appended to; None: the manager's own standard error.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    log: Path | None = None
    ready: Callable[[], bool] | None = None
    start_seconds: float = 30.0
    grace: float = 5.0
    once: bool = False


class StartFailed(RuntimeError):
    """A process ended, or was not ready in time, while the stack was being started."""


class _Stopped(Exception):
    """The stack was told to stop while it was being started."""


class Stack:
    """Processes as one thing, to be used in a `with` statement: entered they are ready, left they are gone.

    One thread of its own starts, watches and stops them all, because the kernel kills them when the thread that
    started them ends; so even SIGKILL leaves no process behind. Another Ctrl-C while they stop kills them at once.
    """

    def __init__(self, processes: Sequence[Process], say: Callable[[str], None]) -> None:
        self._processes = processes
        self._say = say
        self._children: list[_Child] = []
        self._stop = threading.Event()
        self._hurry = threading.Event()
        # Not Thread.join: interrupted by a signal, it takes the thread for ended (bpo-45274).
        self._ended = threading.Event()
        self._started: Future[None] = Future()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._manage, name="stack", daemon=True)

    def __enter__(self) -> Stack:
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self._finish()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish()

    def wait(self) -> None:
        """Block until the manager itself fails, or a signal handler raises."""
        self._ended.wait()
        raise RuntimeError("the process manager has ended") from self._failure

    def pids(self) -> dict[str, int]:
        """The running processes' ids by name."""
        return {child.process.name: child.pid for child in self._children if child.alive()}

    def _finish(self) -> None:
        self._stop.set()
        while not self._ended.is_set():
            try:
                self._ended.wait()
            except KeyboardInterrupt:
                self._hurry.set()

    def _manage(self) -> None:
        try:
            for process in self._processes:
                self._start(process)
            self._started.set_result(None)
            while not self._stop.wait(POLL_SECONDS):
                for child in self._children:
                    child.keep_running(self._say)
        except BaseException as error:
            self._failure = error
            if not self._started.done():
                self._started.set_exception(error)
        finally:
            try:
                for child in reversed(self._children):
                    child.stop(self._hurry)
            finally:
                self._ended.set()

    def _start(self, process: Process) -> None:
        child = _Child(process)
        self._children.append(child)
        child.start()
        deadline = time.monotonic() + process.start_seconds
        while not child.is_ready():
            if self._stop.wait(POLL_SECONDS):
                raise _Stopped
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{process.name} was not ready after {process.start_seconds:g} s{child.last_words()}"
                )
        if process.once:
            self._children.remove(child)


class _Child:
    """One process and its present incarnation."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._popen: subprocess.Popen[bytes] | None = None
        self._born = 0.0
        self._backoff = FIRST_BACKOFF
        self._restart_at: float | None = None

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    def alive(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        process = self.process
        log = process.log.open("ab") if process.log else None
        try:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "cli.leash", str(os.getpid()), *process.command],
                env=os.environ | process.environment,
                cwd=process.directory,
                stdin=subprocess.DEVNULL,
                stdout=log or STDERR,
                stderr=subprocess.STDOUT,
                # Ctrl-C at the terminal is for the manager, which stops its processes in order.
                start_new_session=True,
            )
        finally:
            if log:
                log.close()
        self._born = time.monotonic()
        self._restart_at = None

    def is_ready(self) -> bool:
        """Whether the next process may start; raises StartFailed where this one has ended."""
        assert self._popen is not None
        status = self._popen.poll()
        if status is not None and not (self.process.once and status == 0):
            raise StartFailed(f"{self.process.name} {ending(status)} while starting{self.last_words()}")
        if self.process.once:
            return status == 0
        return self.process.ready is None or self.process.ready()

    def keep_running(self, say: Callable[[str], None]) -> None:
        """Start it again some time after it died; the wait doubles while it keeps dying."""
        assert self._popen is not None
        status = self._popen.poll()
        if status is None:
            return
        now = time.monotonic()
        if self._restart_at is None:
            if now - self._born > STEADY_SECONDS:
                self._backoff = FIRST_BACKOFF
            say(f"{self.process.name} {ending(status)}; it is started again in {self._backoff:g} s")
            self._restart_at = now + self._backoff
            self._backoff = min(2 * self._backoff, LONGEST_BACKOFF)
        elif now >= self._restart_at:
            try:
                self.start()
            except OSError as error:
                say(f"{self.process.name} cannot be started: {error}")
                self._restart_at = now + self._backoff

    def stop(self, hurry: threading.Event) -> None:
        """SIGTERM; after the grace, or when in a hurry, SIGKILL to it and its process group."""
        if self._popen is None or self._popen.poll() is not None:
            return
        self._popen.terminate()
        deadline = time.monotonic() + self.process.grace
        while self._popen.poll() is None:
            if hurry.wait(POLL_SECONDS) or time.monotonic() > deadline:
                with suppress(ProcessLookupError):
                    os.killpg(self._popen.pid, signal.SIGKILL)
                self._popen.wait()

    def last_words(self) -> str:
        """The end of its log, if it has one."""
        if self.process.log is None:
            return ""
        lines = self.process.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(["; the end of " + str(self.process.log) + ":", *(f"  {line}" for line in lines)])


def ending(status: int) -> str:
    """How a process ended, in words."""
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
