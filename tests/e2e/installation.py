"""`elasticket up` as a user starts it, in a home of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Installation:
    """One running `elasticket up`."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self._environment = environment
        self.url = f"http://127.0.0.1:{free_port()}"
        self.http = httpx.Client(base_url=self.url, timeout=90, trust_env=False)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until the API answers."""
        port = self.url.rpartition(":")[2]
        command = [sys.executable, "-m", "cli.main", "up", "--home", str(self.home), "--port", port]
        chosen = {"LEASE_SECONDS": "2", "CHECKPOINT_SECONDS": "0.1", "RECONCILE_SECONDS": "0.3"}
        chosen |= self._environment
        self._process = subprocess.Popen(
            command,
            env=os.environ | {f"ELASTICKET_{name}": value for name, value in chosen.items()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.wait_until(self.healthy, 120)

    def healthy(self) -> bool:
        """Whether the API answers."""
        try:
            return self.http.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def processes(self) -> list[psutil.Process]:
        """Everything it started."""
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)

    def topmost(self, word: str) -> list[psutil.Process]:
        """Those it started itself whose command line has this word: one, unless it has just died."""
        assert self._process is not None
        children = psutil.Process(self._process.pid).children()
        return [child for child in children if any(word in argument for argument in child.cmdline())]

    def kill(self, word: str) -> None:
        """SIGKILL the topmost of its processes whose command line has this word."""
        found = self.topmost(word)
        assert found, f"no process of {word}"
        found[0].kill()

    def interrupt(self) -> int:
        """Ctrl-C; the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(30)

    def end(self) -> None:
        """Leave nothing behind."""
        self.http.close()
        if self._process is not None and self._process.poll() is None:
            self.interrupt()

    def wait_until(self, condition: Callable[[], object], seconds: float, every: float = 0.05) -> None:
        """Poll until a condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(every)

    def submit(self, kind: str, body: dict[str, Any]) -> str:
        """Queue a job; its id."""
        answer = self.http.post(f"/{kind}", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as it is now; the API may be away for a moment."""
        while True:
            try:
                job: dict[str, Any] = self.http.get(f"/jobs/{job_id}").json()
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return job

    def succeeded(self, job_id: str) -> dict[str, Any]:
        """Wait for a job's success."""
        self.wait_until(lambda: self.job(job_id)["state"] in ("succeeded", "failed", "cancelled"), 90)
        job = self.job(job_id)
        assert job["state"] == "succeeded", job["error"]
        return job
