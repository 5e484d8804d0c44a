"""A real server on a real port, a client of it, and tickets to send."""

import asyncio
import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.gate.connections import Patient
from core.catalog import attempts, claims, jobs, ticket_lists
from core.catalog.database import Database
from core.families import architecture
from core.jobs.outcome import Outcome, ResultRecord, RunRecord
from core.settings import Settings
from core.tickets import Metadata, Ticket, write

LEAVING_SECONDS = 1.0
"""What is under way when a server is to end has so long."""


class Server(uvicorn.Server):
    """Ends in a few thousandths of a second instead of two tenths: a thousand tests end one each."""

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            await asyncio.sleep(0.005)

    async def shutdown(self, sockets: object = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        until = time.monotonic() + LEAVING_SECONDS
        while (self.server_state.connections or self.server_state.tasks) and time.monotonic() < until:
            await asyncio.sleep(0.002)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Run an application in a thread; yields its address."""
    server = Server(uvicorn.Config(app, port=0, log_level="critical", ws="none", http=Patient))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.005)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def serve() -> Callable[[FastAPI], AbstractContextManager[str]]:
    return serving


@pytest.fixture
def address(settings: Settings) -> Iterator[str]:
    with serving(create_app(settings)) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30, verify=False) as client:
        yield client


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database)
    yield database
    database.close()


def ticket_bytes(
    seed: int = 0,
    *,
    name: str = "mlp_1",
    shape: tuple[int, int, int] = (1, 8, 8),
    classes: int = 10,
    density: float = 0.3,
    rewind_step: int = 0,
    **metadata: Any,
) -> bytes:
    """The file of a random ticket."""
    network, numbers = architecture(name, shape, classes), np.random.default_rng(seed)
    ticket = Ticket.from_dense(
        network,
        rewind_step,
        {spec.name: numbers.random(spec.shape) < density for spec in network.prunable},
        {
            spec.name: np.zeros(spec.shape, np.int64)
            if spec.dtype == "I64"
            else numbers.random(spec.shape, np.float32)
            for spec in network.tensors
        },
    )
    stream = io.BytesIO()
    write(
        ticket,
        Metadata(**({"dataset": "digits", "method": "imp", "seed": seed, "level": 5} | metadata)),
        stream,
    )
    return stream.getvalue()


@pytest.fixture
def make_ticket() -> Callable[..., bytes]:
    return ticket_bytes


@pytest.fixture
def upload(client: httpx.Client) -> Callable[..., str]:
    """Uploads a ticket and returns its id."""

    def send(seed: int = 0, **options: Any) -> str:
        return client.post("/tickets", content=ticket_bytes(seed, **options)).raise_for_status().json()["id"]

    return send


class Worker:
    """Does to jobs what a worker would."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, job: str) -> int:
        """Take a job; its attempt."""
        with self._database.write() as session:
            claimed = claims.claim(session, job, "worker-1", 3600)
            assert claimed is not None
            return claimed.attempt

    def report(
        self, job: str, attempt: int, *events: jobs.JobEvent, progress: dict[str, Any] | None = None
    ) -> None:
        """Send a heartbeat."""
        with self._database.write() as session:
            report = attempts.Report(events=list(events), progress=progress)
            assert attempts.heartbeat(session, job, attempt, 3600, report) is not None

    def succeed(
        self,
        job: str,
        attempt: int,
        outcome: Outcome | None = None,
        files: Sequence[attempts.ProducedFile] = (),
    ) -> None:
        """End a job well."""
        with self._database.write() as session:
            assert attempts.succeed(session, job, attempt, outcome or Outcome(), files)

    def fail(self, job: str, attempt: int, failure: attempts.Failure | None = None) -> None:
        """End a job badly."""
        why = failure or attempts.Failure("diverged", "the loss is not finite")
        with self._database.write() as session:
            assert attempts.fail(session, job, attempt, why)


@pytest.fixture
def worker(database: Database) -> Worker:
    return Worker(database)


def trained(ticket: str | None, *correct: int) -> Outcome:
    """An outcome of one training per count of correct answers, of 100."""
    outcome = Outcome()
    for run, count in enumerate(correct):
        outcome.runs.append(
            RunRecord(
                "mlp_1", "digits", ticket, run, run, None, 0.7, 0, 480, 1.5, [{"epoch": 1}], {}, "0" * 64
            )
        )
        outcome.results.append(
            ResultRecord("digits", "last", count, 100, 0.5, run=run, ticket_id=ticket, epoch=40, seed=run)
        )
    return outcome


@pytest.fixture
def outcome() -> Callable[..., Outcome]:
    return trained


@pytest.fixture
def files(settings: Settings) -> Callable[[], list[str]]:
    """The names of all files in the artifact store."""

    def names() -> list[str]:
        return sorted(path.name for path in settings.artifact_directory.rglob("*") if path.is_file())

    return names


@pytest.fixture
def rows(database: Database) -> Callable[[], int]:
    """How many tickets the catalog has."""

    def count() -> int:
        with database.read() as session:
            return len(ticket_lists.page(session, 500).rows)

    return count
