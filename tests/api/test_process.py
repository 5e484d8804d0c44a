"""The API as a process of its own: what it imports, how much memory it takes."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from core.catalog.migrate import upgrade
from core.settings import Settings

MB = 1 << 20


def test_heavy_packages_are_not_imported():
    heavy = ("torch", "celery", "sklearn", "scipy", "alembic")
    check = f"import api.app, sys; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


class TestProcess:
    @pytest.fixture
    def process(self, tmp_path: Path) -> Iterator[tuple[psutil.Process, str]]:
        settings = Settings(home=tmp_path)
        upgrade(settings.database)
        socket = tmp_path / "api.sock"
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "--factory",
            "api.app:from_environment",
            "--uds",
            str(socket),
        ]
        with subprocess.Popen(
            command, env={"ELASTICKET_HOME": str(tmp_path)}, stderr=subprocess.DEVNULL
        ) as running:
            while not socket.exists():
                assert running.poll() is None
                time.sleep(0.02)
            yield psutil.Process(running.pid), str(socket)
            running.terminate()

    @pytest.mark.parametrize("form", [False, True])
    def test_memory_stays_flat_while_a_large_upload_arrives(self, process, form):
        api, socket = process
        transport = httpx.HTTPTransport(uds=socket)
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
