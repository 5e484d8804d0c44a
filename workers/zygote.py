"""A warm process with torch imported, from which trainers are forked in milliseconds. One per supervisor.

It never computes, so that no thread pool exists when it forks. It exits when its socket ends, that is, with its
supervisor; its trainers watch a pipe of the supervisor's themselves, because their parent is the zygote.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from core.lifeline import die_with_parent
from core.settings import Settings
from workers.huge_pages import collapse
from workers.protocol import SAVE_AND_END, Request

_MESSAGE = 4096
YIELDING = 10
"""How far trainers and their zygote stand back (nice) behind an API on the same machine, which is to answer at once."""
START_SECONDS = 120.0
FORK_SECONDS = 5.0
REAP_SECONDS = 10.0


def environment(threads: int) -> dict[str, str]:
    """What a process that trains on so many threads is started with, beside what is there."""
    return {
        "OMP_NUM_THREADS": str(threads),
        # Spinning threads of two trainers on the same cores slow both down many times over.
        "OMP_WAIT_POLICY": "passive",
        "OPENBLAS_NUM_THREADS": "1",
        # Activations come and go by the megabyte: memory that is given back to the system after each is paged in,
        # and zeroed, for the next. Kept, in huge pages, a compiled step of ResNet-20 takes a fifth less time.
        "MALLOC_MMAP_THRESHOLD_": str(2**33),
        "MALLOC_TRIM_THRESHOLD_": str(2**33),
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    }


class ZygoteDied(RuntimeError):
    """The zygote ended before it could start a trainer."""


@dataclass
class Trainer:
    """A running trainer as its supervisor holds it. Closing `command` kills it."""

    pid: int
    command: int
    report: int

    def signal(self, number: signal.Signals) -> None:
        """Signal the trainer and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def ask_to_leave(self) -> None:
        """Have it save what it trains, and end; it alone is asked, lest what it started dies before it has saved."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, SAVE_AND_END)

    def close(self) -> None:
        """Let go of both pipes."""
        os.close(self.command)
        os.close(self.report)


class Zygote:
    """The supervisor's side: starts the process when first needed, again when it died."""

    def __init__(self, settings: Settings) -> None:
        self._environment = os.environ | environment(settings.trainer_threads)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._ready = False

    def warm(self) -> None:
        """Start importing, so that the first job need not wait for it."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "workers.zygote", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                # Ctrl-C at a terminal is for the supervisor to handle.
                start_new_session=True,
            )
        self._socket = ours
        self._ready = False

    def wait(self) -> None:
        """Return when it can fork; raises ZygoteDied."""
        self.warm()
        if not self._ready:
            self._answer("ready", START_SECONDS)
            self._ready = True

    def start(self, request: Request) -> Trainer:
        """Fork a trainer for a request; raises ZygoteDied."""
        self.wait()
        assert self._socket is not None
        command_read, command = os.pipe()
        report, report_write = os.pipe()
        trainer = Trainer(0, command, report)
        try:
            socket.send_fds(self._socket, [b"start"], [command_read, report_write])
            trainer.pid = self._answer("pid", FORK_SECONDS)
        except BaseException:
            trainer.close()
            raise
        finally:
            os.close(command_read)
            os.close(report_write)
        # A trainer that is dead already shows as the end of its report pipe.
        with contextlib.suppress(BrokenPipeError), os.fdopen(os.dup(command), "wb") as stream:
            stream.write(request.encode())
        return trainer

    def collect(self) -> str:
        """How the trainer ended, to be asked once for each, after its report pipe has ended."""
        try:
            code = self._answer("code", REAP_SECONDS)
        except ZygoteDied:
            return "ended, and nobody saw how"
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"

    def _answer(self, kind: str, seconds: float) -> int:
        """The value of the next answer, which must be of this kind; raises ZygoteDied and starts anew otherwise."""
        assert self._socket is not None
        self._socket.settimeout(seconds)
        try:
            answer = json.loads(self._socket.recv(_MESSAGE))
            return int(answer[kind])
        except (OSError, ValueError, KeyError) as error:
            self.close()
            raise ZygoteDied("the process that starts trainers has ended or does not answer") from error

    def close(self) -> None:
        """End the process, and with it nothing else."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _serve(channel: socket.socket) -> None:
    from workers import trainer

    trainer.warm()
    # Objects that no collection looks at again: else a trainer's first one would copy every page that holds one.
    gc.collect()
    gc.freeze()
    collapse()
    channel.send(b'{"ready": 1}')
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, _MESSAGE, 2)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            channel.close()
            _be_trainer(trainer.run, descriptors)
        # In both processes, so that the group exists before anyone can signal it.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(json.dumps({"pid": pid}).encode())
        _, status = os.waitpid(pid, 0)
        channel.send(json.dumps({"code": os.waitstatus_to_exitcode(status)}).encode())


def _be_trainer(run: Callable[[int, int], None], descriptors: list[int]) -> None:
    status = 0
    try:
        run(*descriptors)
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    # Its socket's end tells it too, but not while it is still importing.
    die_with_parent()
    # Trainers inherit it. What it imports is seconds of work too, at a moment when everything starts.
    os.nice(YIELDING)
    try:
        _serve(socket.socket(fileno=int(sys.argv[1])))
    except (BrokenPipeError, ConnectionResetError):
        sys.exit(0)
