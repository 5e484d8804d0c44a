"""What the soak kills: one `elasticket up`, and every process below it."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil

from core.settings import Settings

VICTIMS = {
    "trainer": 4,
    "slot": 2,
    "zygote": 2,
    "worker": 1,
    "api": 2,
    "dispatcher": 1,
    "broker": 1,
    "everything": 0.5,
}
"""How often each is hit, relative to the others."""
_WORDS = {"worker": "celery", "api": "uvicorn", "dispatcher": "workers.dispatcher", "broker": "valkey"}
_BELOW_WORKER = ("worker", "slot", "zygote", "trainer")
_CHOSEN = {
    "LEASE_SECONDS": "5",
    "CHECKPOINT_SECONDS": "0.1",
    "RECONCILE_SECONDS": "1",
    # However often it is hit, no job may run out of attempts.
    "MAX_ATTEMPTS": "1000",
    "THREADS": "1",
}
START_SECONDS = 120.0


class Target:
    """A running installation in a home of its own; in a `with` statement."""

    def __init__(self, home: Path, database_url: str, slots: int) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.settings = Settings(home=home, database_url=database_url, port=port, slots=slots)
        self.url = f"http://127.0.0.1:{port}"
        chosen = _CHOSEN | {"DATABASE_URL": database_url, "PORT": str(port), "SLOTS": str(slots)}
        self._environment = os.environ | {f"ELASTICKET_{name}": value for name, value in chosen.items()}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def kill(self, victim: str, chance: random.Random) -> bool:
        """SIGKILL one process of a kind; False where there is none now."""
        if victim == "everything":
            self._kill_everything()
            return True
        # It may end while it is looked for.
        with suppress(psutil.NoSuchProcess):
            found = self._topmost(_WORDS["worker" if victim in _BELOW_WORKER else victim])
            for _ in range(_BELOW_WORKER.index(victim) if victim in _BELOW_WORKER else 0):
                found = [child for process in found for child in process.children()]
            if found:
                chance.choice(found).kill()
                return True
        return False

    def _topmost(self, word: str) -> list[psutil.Process]:
        assert self._process is not None
        children = psutil.Process(self._process.pid).children()
        return [child for child in children if any(word in argument for argument in child.cmdline())]

    def _kill_everything(self) -> None:
        assert self._process is not None
        below = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()
        psutil.wait_procs(below, START_SECONDS)
        self._start()

    def _start(self) -> None:
        with (self.settings.root / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "up", "--home", str(self.settings.root)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.settings.root / "up.log").read_text())
            time.sleep(0.1)

    def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/healthz", trust_env=False).is_success
        return False
