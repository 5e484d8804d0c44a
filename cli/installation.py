"""One installation on one machine: its lock, its port, its runtime directory and its processes."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cli.processes import embedded, logged, reachable
from cli.stack import Stack
from core.settings import Settings


class CannotStart(RuntimeError):
    """Something that is needed is taken."""


def chosen(**given: Any) -> Settings:
    """The settings of the environment, with those that were given on the command line instead.

    Raises `CannotStart` where they are not valid, or where strangers could do everything.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        told = (f"{'.'.join(map(str, one['loc']))} {one['msg']}".strip() for one in error.errors())
        raise CannotStart("; ".join(text.removeprefix("Value error, ") for text in told)) from None


@contextmanager
def running(settings: Settings, say: Callable[[str], None]) -> Iterator[tuple[Settings, Stack]]:
    """Run everything on `settings.home` until the block ends; yields the settings with the port in force.

    Raises `CannotStart` where the home or the port is taken, `StartFailed` where a process does not come up.
    """
    with interruptible(), locked(settings.root), _runtime_directory() as runtime:
        settings = settings.model_copy(update={"port": free_port(settings.host, settings.port)})
        with Stack(logged(embedded(settings, runtime), settings.root / "logs"), say) as stack:
            yield settings, stack


def address(settings: Settings) -> str:
    """Where a browser on this machine finds the pages."""
    host = reachable(settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


@contextmanager
def interruptible() -> Iterator[None]:
    """Have SIGTERM and SIGHUP raise KeyboardInterrupt too; a shell's `&` even makes Ctrl-C be ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def free_port(host: str, port: int) -> int:
    """The port, or any free one for 0; raises CannotStart where it cannot be listened on."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            return int(probe.getsockname()[1])
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotStart(
            f"cannot listen on {host}, port {port}: {reason}; give another --port (0: any)"
        ) from error


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the home's lock; the kernel lets go of it with this process, however that ends."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = (home / "lock").open("a+")
    except OSError as error:
        raise CannotStart(f"cannot use {home}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CannotStart(f"{home} is in use by process {file.read().strip() or '(unknown)'}") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


@contextmanager
def _runtime_directory() -> Iterator[Path]:
    """A private directory for the broker's socket, in /tmp because a socket's path has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="elasticket-", dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
