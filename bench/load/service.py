"""The service under load: `elasticket up` on a home, and how much memory its API takes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

START_SECONDS = 120.0


@dataclass(frozen=True)
class Service:
    """One running installation."""

    url: str
    process: psutil.Process

    def api(self) -> list[psutil.Process]:
        """The processes that answer HTTP."""
        return [
            child for child in self.process.children(recursive=True) if "api.app" in " ".join(_command(child))
        ]

    def memory(self) -> int:
        """Bytes that the largest of them holds: not pages of mapped files, which the kernel takes back at will."""
        return max(info.rss - info.shared for info in (child.memory_info() for child in self.api()))


@contextmanager
def running(home: Path, *arguments: str, **settings: str) -> Iterator[Service]:
    """`elasticket up` on this home until the block ends; `settings` by name, as in SLOTS="1"."""
    port = free_port()
    command = [sys.executable, "-m", "cli.main", "up", "--home", str(home), "--port", str(port), *arguments]
    environment = os.environ | {f"ELASTICKET_{name}": value for name, value in settings.items()}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as popen:
        try:
            service = Service(f"http://127.0.0.1:{port}", psutil.Process(popen.pid))
            _wait(service.url)
            yield service
        finally:
            popen.send_signal(signal.SIGTERM)


def _wait(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/healthz", trust_env=False).is_success:
                return
        time.sleep(0.1)
    raise TimeoutError(f"no answer from {url} within {START_SECONDS:g} s")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _command(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []
