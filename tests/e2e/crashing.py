"""A real installation in which one process can be made to die at a named point, and is started again."""

import io
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import numpy as np
import psutil
from safetensors.numpy import save
from sqlalchemy import select, update

from cli.processes import embedded, logged
from cli.stack import Stack
from core.catalog import history
from core.catalog.artifacts import LocalStore
from core.catalog.database import Database
from core.catalog.history import Violation
from core.catalog.tables import Job
from core.families import architecture
from core.families.initialisation import initialise
from core.settings import Settings
from core.tickets import Metadata, Ticket, write

PATIENCE = 120.0
RECIPE = {"length": "6ep", "momentum": 0.9, "lr": 0.02, "rewind": "3it"}
LEASE_SECONDS = 2.5
QUICK = {
    "LEASE_SECONDS": str(LEASE_SECONDS),
    "HEARTBEAT_SECONDS": "0.03",
    "CHECKPOINT_SECONDS": "0.05",
    "RECONCILE_SECONDS": "0.5",
    "RELAY_SECONDS": "0.1",
    "CANCEL_GRACE_SECONDS": "1",
    "PATIENCE_SECONDS": "0",
    "MAX_ATTEMPTS": "1000",
    "THREADS": "1",
}


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)


class Installation:
    """Everything that `elasticket up` runs, in this process's hands: what dies is started again at once."""

    def __init__(self, settings: Settings, stack: Stack, crash_at: Path) -> None:
        self.settings = settings
        self.database = Database(settings.database)
        self.store = LocalStore(settings.artifact_directory)
        self.acknowledged: list[str] = []
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{settings.port}", timeout=PATIENCE, trust_env=False
        )
        self._stack = stack
        self._crash_at = crash_at
        self._numbers = 0

    def number(self) -> int:
        """Another one each time: for seeds that nothing was computed with before."""
        self._numbers += 1
        return self._numbers

    def arm(self, point: str) -> None:
        """Have whoever passes this point die there, once."""
        writing = self._crash_at.with_suffix(".new")
        writing.write_text(point)
        writing.rename(self._crash_at)

    def died(self) -> None:
        """Wait until somebody did."""
        wait_until(lambda: not self._crash_at.exists(), "the crash")

    def ask(self, method: str, path: str, *, key: str | None = None, **request: Any) -> httpx.Response:
        """A request as a patient client sends it: again, with the same key, until it is answered."""
        headers = {"Idempotency-Key": key or os.urandom(8).hex()} if method == "POST" else {}
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self.http.request(method, path, headers=headers, **request)
            except httpx.TransportError:
                assert time.monotonic() < deadline, f"{method} {path} is not answered"
                time.sleep(0.05)
            else:
                assert answer.is_success, answer.text
                return answer

    def post(self, path: str, **request: Any) -> str:
        """Make something; its id, which is acknowledged from now on."""
        made = str(self.ask("POST", path, **request).json()["id"])
        self.acknowledged.append(made)
        return made

    def job(self, job_id: str) -> dict[str, Any]:
        body: dict[str, Any] = self.ask("GET", f"/jobs/{job_id}").json()
        return body

    def row(self, job_id: str) -> Job:
        """The same, as the database has it."""
        with self.database.read() as session:
            return session.get_one(Job, job_id)

    def ended(self, job_id: str) -> dict[str, Any]:
        """A job, once it is over."""
        wait_until(lambda: self.row(job_id).finished_at, f"the end of job {job_id}")
        return self.job(job_id)

    def running(self, job_id: str) -> None:
        """Wait until a job takes steps."""
        wait_until(lambda: (self.row(job_id).progress or {}).get("done"), f"the first step of {job_id}")

    def trained(self, job_id: str) -> list[str]:
        """What a job that succeeded came to, bit for bit: its tickets and its weights."""
        job = self.ended(job_id)
        assert job["state"] == "succeeded", job["error"]
        return [*job["outputs"]["tickets"], *(run["weights_digest"] for run in job["outputs"]["runs"])]

    def forget(self) -> None:
        """What is asked for next is computed, not looked up."""
        with self.database.write() as session:
            session.execute(update(Job).values(digest=None))
        shutil.rmtree(self.settings.artifact_directory / "trainings", ignore_errors=True)

    def pid(self, name: str) -> int:
        """A process by its name; `slot`, `zygote` and `trainer` are below the worker. Waits until it is there."""
        found: list[int] = []

        def look() -> list[int]:
            below = ("slot", "zygote", "trainer")
            top = "worker" if name in below else name
            level = [psutil.Process(pid) for each, pid in self._stack.pids().items() if each == top]
            try:
                for _ in range(below.index(name) + 1 if name in below else 0):
                    level = [child for process in level for child in process.children()]
            except psutil.NoSuchProcess:
                return []
            found.extend(process.pid for process in level)
            return found

        wait_until(look, f"a {name}")
        return found[0]

    def pool(self) -> str:
        """The running worker's name, once it has said that it is there."""
        name = f"{socket.gethostname()}:{self.pid('worker')}"
        wait_until(lambda: name in [one["name"] for one in self.ask("GET", "/fleet").json()["pools"]], name)
        return name

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Signal a process."""
        os.kill(self.pid(name), how)

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """A process stands still meanwhile."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def abandon(self) -> None:
        """Leave nothing armed and nothing under way: what follows is another test."""
        self._crash_at.unlink(missing_ok=True)
        with self.database.read() as session:
            left = session.scalars(select(Job.id).where(Job.finished_at.is_(None))).all()
        for job_id in left:
            self.ask("POST", f"/jobs/{job_id}/cancel")
        for job_id in left:
            self.ended(job_id)

    def settle(self) -> None:
        """Wait until nothing is left to do; then nothing may be lost, double, or left behind."""
        wait_until(lambda: not self._unsettled(), "nothing left to do")
        wait_until(lambda: not self._left(), "empty scratch folders")
        with self.database.read() as session:
            found = [
                *history.violations(session, self.store),
                *history.acknowledged(session, self.acknowledged),
            ]
        assert found == []

    def _left(self) -> bool:
        """Whether a job has left anything in scratch. A file whose job was never entered may lie there for an hour."""
        scratch = self.settings.scratch_directory
        names = [folder.name for folder in scratch.iterdir()] if scratch.is_dir() else []
        with self.database.read() as session:
            return any(session.get(Job, name) for name in names)

    def _unsettled(self) -> list[Violation]:
        with self.database.read() as session:
            return list(history.unsettled(session))


@contextmanager
def installation(home: Path, database_url: str, runtime: Path, port: int) -> Iterator[Installation]:
    """Run one, on a migrated database, until the block ends."""
    crash_at = home / "crash-at"
    settings = Settings(home=home, database_url=database_url, port=port, slots=1)
    chosen = {f"ELASTICKET_{name}": value for name, value in QUICK.items()}
    chosen["ELASTICKET_CRASH_AT"] = str(crash_at)
    processes = [
        replace(process, environment={**process.environment, **chosen})
        for process in logged(embedded(settings, runtime), home / "logs")
        if not process.once
    ]
    with (
        mock.patch("cli.stack.FIRST_BACKOFF", 0.01),
        mock.patch("cli.stack.LONGEST_BACKOFF", 0.01),
        Stack(processes, lambda _: None) as stack,
    ):
        made = Installation(settings, stack, crash_at)
        yield made
        made.http.close()
        made.database.close()


def ticket_file(seed: int) -> bytes:
    """A ticket that nobody has."""
    network = architecture("mlp_1", (1, 8, 8), 10)
    chance = np.random.default_rng(seed)
    masks = {tensor.name: chance.random(tensor.shape) < 0.5 for tensor in network.prunable}
    stream = io.BytesIO()
    write(Ticket.from_dense(network, 0, masks, initialise(network, seed)), Metadata(dataset="digits"), stream)
    return stream.getvalue()


def foreign_file(seed: int, *, broken: bool = False) -> bytes:
    """Weights of a network as another tool keeps them; where broken, with one that is no number."""
    weights = initialise(architecture("mlp_2", (1, 8, 8), 10), seed)
    arrays = {name: np.array(value) for name, value in weights.items()}
    if broken:
        next(array for array in arrays.values() if array.ndim == 2)[0, 0] = np.nan
    return save(arrays)
