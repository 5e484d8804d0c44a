"""The API as a process of its own: what it imports, how much memory it takes."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from cli.processes import SHARED_FIGURES
from core.catalog.migrate import upgrade
from core.settings import Settings

MB = 1 << 20


def test_heavy_packages_are_not_imported():
    heavy = ("torch", "celery", "sklearn", "scipy", "alembic")
    check = f"import api.app, sys; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


def ask(path: str, what: str) -> str:
    """The answer to a request on a connection of its own."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=path), base_url="http://localhost") as client:
        return client.get(what).raise_for_status().text


class TestProcess:
    @pytest.fixture
    def processes(self) -> int:
        return 1

    @pytest.fixture
    def process(self, tmp_path: Path, processes: int) -> Iterator[tuple[psutil.Process, str]]:
        settings = Settings(home=tmp_path)
        upgrade(settings.database)
        path = tmp_path / "api.sock"
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "--factory",
            "api.app:from_environment",
            "--uds",
            str(path),
            "--workers",
            str(processes),
        ]
        environment = {"ELASTICKET_HOME": str(tmp_path), "ELASTICKET_API_PROCESSES": str(processes)}
        if processes > 1:
            environment[SHARED_FIGURES] = str(tmp_path / "figures")
            (tmp_path / "figures").mkdir()
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as running:
            while not listens(path):
                assert running.poll() is None
                time.sleep(0.02)
            yield psutil.Process(running.pid), str(path)
            running.terminate()

    @pytest.mark.parametrize("form", [False, True])
    def test_memory_stays_flat_while_a_large_upload_arrives(self, process, form):
        api, path = process
        transport = httpx.HTTPTransport(uds=path)
        with httpx.Client(transport=transport, base_url="http://localhost", timeout=60) as client:
            client.get("/healthz").raise_for_status()
            client.get("/jobs").raise_for_status()
            before = api.memory_info().rss
            assert before < 150 * MB
            highest = 0

            def pieces() -> Iterator[bytes]:
                nonlocal highest
                if form:
                    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
                for _ in range(192):
                    yield b"\xff" * MB
                    highest = max(highest, api.memory_info().rss)
                if form:
                    yield b"\r\n--b--\r\n"

            kind = "multipart/form-data; boundary=b" if form else "application/octet-stream"
            answer = client.post("/tickets", content=pieces(), headers={"Content-Type": kind})
            assert answer.json()["failure"] == "header-too-large"
            assert highest - before < 24 * MB

    @pytest.mark.parametrize("processes", [2])
    def test_several_of_them_end_with_the_one_that_started_them(self, process):
        starter, path = process
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=path), base_url="http://localhost", timeout=60
        ) as client:
            client.get("/readyz").raise_for_status()
        started = starter.children(recursive=True)
        assert len([one for one in started if "spawn_main" in " ".join(one.cmdline())]) == 2
        starter.kill()
        _, left = psutil.wait_procs(started, timeout=10)
        assert left == []

    @pytest.mark.nightly
    @pytest.mark.parametrize("processes", [3])
    def test_several_of_them_tell_the_same_of_all_their_requests(
        self, process: tuple[psutil.Process, str]
    ) -> None:
        _, path = process
        wanted = 'elasticket_http_request_duration_seconds_count{method="GET",route="/healthz",status="200"}'
        for _ in range(40):
            # A connection of its own for each, so that different processes answer.
            ask(path, "/healthz")
        for _ in range(10):
            lines = ask(path, "/metrics").splitlines()
            found = [line.rpartition(" ") for line in lines]
            counts = [float(value) for name, _, value in found if name == wanted]
            assert counts == [40]
            (under_way,) = (
                value for name, _, value in found if name == "elasticket_http_requests_in_progress"
            )
            assert float(under_way) == 1
