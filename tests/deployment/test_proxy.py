"""The reverse proxy as docker compose starts it, before a real API: needs a `caddy` on the PATH."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
CADDY = shutil.which("caddy")
CADDYFILE = ROOT / "scripts" / "deploy" / "proxy" / "Caddyfile"
SAMPLE = ROOT / "scripts" / "deploy" / "sample" / "mlp_2_32.ticket.safetensors"
HOSTS = ["127.0.0.1", "127.0.0.2"]
"""Of two replicas: all of 127/8 is this machine."""

pytestmark = pytest.mark.skipif(CADDY is None, reason="no `caddy` on the PATH")


@contextmanager
def name_server() -> Iterator[int]:
    """What a container engine has for names of services: whatever is asked is at all of `HOSTS`. Its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                query, asker = listener.recvfrom(512)
                if not query:
                    return
                question = query[12 : query.index(b"\0", 12) + 5]
                found = HOSTS if question.endswith(b"\0\1\0\1") else []  # an A record, of the internet
                records = [
                    b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 1, 4) + socket.inet_aton(host) for host in found
                ]
                counts = struct.pack(">HHHH", 1, len(records), 0, 0)
                listener.sendto(query[:2] + b"\x81\x80" + counts + question + b"".join(records), asker)

        thread = threading.Thread(target=serve)
        thread.start()
        port = int(listener.getsockname()[1])
        try:
            yield port
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", ("127.0.0.1", port))
            thread.join()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def started(words: list[str], log: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stream:
        process = subprocess.Popen(words, env=os.environ | environment, stdout=stream, stderr=stream)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(condition: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def replicas(tmp_path: Path, sqlite_url: str) -> Iterator[tuple[int, dict[str, subprocess.Popen[bytes]]]]:
    """An API at each of several addresses, all at one port: what containers of one name are."""
    port = free_port()
    settings = {"ELASTICKET_HOME": str(tmp_path), "ELASTICKET_DATABASE_URL": sqlite_url}
    with ExitStack() as stack:
        running = {}
        for host in HOSTS:
            log = tmp_path / "api.log"
            words = [sys.executable, "-m", "cli.main", "api", "--host", host, "--port", str(port)]
            running[host] = stack.enter_context(started(words, log, settings))
            until(lambda: answers(f"http://{host}:{port}/readyz"), log)  # noqa: B023
        yield port, running


@pytest.fixture
def proxy(tmp_path: Path, replicas: tuple[int, dict[str, subprocess.Popen[bytes]]]) -> Iterator[httpx.Client]:
    """A client that knows the proxy's certificate authority, and no other."""
    assert CADDY
    ports = {name: free_port() for name in ("HTTP_PORT", "HTTPS_PORT", "HEALTH_PORT")}
    chosen = {"API": "api.internal", "API_PORT": str(replicas[0]), "XDG_DATA_HOME": str(tmp_path / "data")}
    chosen |= {"XDG_CONFIG_HOME": str(tmp_path / "config")} | {
        name: str(port) for name, port in ports.items()
    }
    log, caddyfile = tmp_path / "caddy.log", tmp_path / "Caddyfile"
    with name_server() as names, ExitStack() as stack:
        said = CADDYFILE.read_text()
        assert said.count("refresh 2s") == 1
        caddyfile.write_text(said.replace("refresh 2s", f"refresh 2s\nresolvers 127.0.0.1:{names}"))
        words = [CADDY, "run", "--adapter", "caddyfile", "--config", str(caddyfile)]
        stack.enter_context(started(words, log, chosen))
        until(lambda: answers(f"http://127.0.0.1:{ports['HEALTH_PORT']}/"), log)
        root = tmp_path / "data" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        until(root.exists, log)
        context = ssl.create_default_context(cafile=str(root))
        address = f"https://localhost:{ports['HTTPS_PORT']}"
        with httpx.Client(base_url=address, verify=context, trust_env=False, timeout=30) as client:
            moved = httpx.get(f"http://localhost:{ports['HTTP_PORT']}/jobs", trust_env=False)
            assert (moved.status_code, moved.headers["location"][:8]) == (308, "https://")
            yield client


class TestProxy:
    def test_uploads_and_events_pass_and_a_replica_that_goes_is_not_missed(
        self, proxy: httpx.Client, replicas: tuple[int, dict[str, subprocess.Popen[bytes]]]
    ) -> None:
        answer = proxy.post("/tickets", content=SAMPLE.read_bytes())
        assert answer.status_code == 201, answer.text
        assert answer.headers["strict-transport-security"]
        assert proxy.get(f"/tickets/{answer.json()['id']}/file").content == SAMPLE.read_bytes()

        body = {"architecture": "mlp_2_16", "dataset": "digits"}
        job = proxy.post("/train", json=body).json()["id"]
        with proxy.stream("GET", f"/jobs/{job}/events") as events:
            # The stream goes on: this came while it is open.
            assert "queued" in next(text for text in events.iter_text() if "data:" in text)

        first, second = replicas[1].values()
        for going in (first, second):
            going.kill()
            going.wait()
            left = 10 if going is first else 0
            codes = [proxy.get("/healthz").status_code for _ in range(left or 1)]
            assert codes == ([200] * left or [502])
