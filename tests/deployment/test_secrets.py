"""Passwords in settings appear in nothing that any process says: each is started where nothing it needs answers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

SECRET = "Tz9-marked_secret"
DATABASE = f"postgresql://elasticket:{SECRET}@127.0.0.1:1/elasticket"
BROKER = f"redis://elasticket:{SECRET}@127.0.0.1:1/0"
PROGRAMS = {
    "doctor": ["-m", "cli.main", "doctor"],
    "migrate": ["-m", "cli.main", "migrate"],
    "dispatcher": ["-m", "workers.dispatcher"],
    "worker": ["-m", "celery", "-A", "workers.app", "worker", "--concurrency", "1", "--loglevel", "DEBUG"],
}
OPEN = "from core.catalog.database import Database as D; from core.settings import settings; D(settings().database)"
MALFORMED = {
    "a database of another kind": {"DATABASE_URL": f"mysql://elasticket:{SECRET}@127.0.0.1/elasticket"},
    "a database without a port": {"DATABASE_URL": f"postgresql://elasticket:{SECRET}@127.0.0.1:x/elasticket"},
    "no database URL at all": {"DATABASE_URL": f"{SECRET}"},
    "nodes that meet nowhere": {"NODES": "2"},
    "a port that is no number": {"PORT": SECRET},
}


def environment(home: Path, **more: str) -> dict[str, str]:
    urls = {"DATABASE_URL": DATABASE, "BROKER_URL": BROKER}
    chosen = {"HOME": str(home), "METRICS_TOKEN": SECRET} | urls | more
    return os.environ | {f"ELASTICKET_{name}": value for name, value in chosen.items()}


def start(words: list[str], log: Path, given: dict[str, str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as stream:
        return subprocess.Popen([sys.executable, *words], env=given, stdout=stream, stderr=stream)


def said(processes: list[subprocess.Popen[bytes]], logs: list[Path], seconds: float) -> list[str]:
    """What processes have said once each has said something and ended, or had so much time."""
    deadline = time.monotonic() + seconds
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return [log.read_text(errors="replace") for log in logs]


class TestSecrets:
    @pytest.mark.nightly
    @pytest.mark.parametrize("form", ["text", "json"])
    def test_are_in_no_output_of_any_program(self, tmp_path: Path, form: str) -> None:
        logs = [tmp_path / name for name in PROGRAMS]
        given = environment(tmp_path / "home", LOG=form)
        processes = [start(words, log, given) for words, log in zip(PROGRAMS.values(), logs, strict=True)]
        for text in said(processes, logs, 60):
            assert text
            assert SECRET not in text

    def test_are_in_no_complaint_about_a_setting(self, tmp_path: Path) -> None:
        logs = [tmp_path / name for name in MALFORMED]
        processes = [
            start(["-c", OPEN], log, environment(tmp_path / "home", **wrong))
            for wrong, log in zip(MALFORMED.values(), logs, strict=True)
        ]
        for text in said(processes, logs, 60):
            assert "Error" in text
            assert SECRET not in text

    @pytest.mark.parametrize("form", ["text", pytest.param("json", marks=pytest.mark.nightly)])
    def test_are_in_no_answer_and_no_log_of_the_api(self, tmp_path: Path, form: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        words = [
            "-m",
            "uvicorn",
            "--factory",
            "api.app:from_environment",
            "--port",
            str(port),
            "--log-level",
            "debug",
        ]
        log = tmp_path / "api.log"
        process = start(words, log, environment(tmp_path / "home", LOG=form))
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                deadline = time.monotonic() + 60
                while True:
                    try:
                        client.get("/healthz")
                        break
                    except httpx.TransportError:
                        assert time.monotonic() < deadline
                        time.sleep(0.05)
                answers = [
                    client.get(path)
                    for path in ("/readyz", "/jobs", "/ui/tickets", "/fleet", "/metrics", "/")
                ]
                answers.append(client.post("/tickets", content=b"x"))
        finally:
            process.terminate()
            process.wait()
        assert {answer.status_code for answer in answers} >= {503}
        for answer in answers:
            assert SECRET not in answer.text + str(answer.headers)
        text = log.read_text()
        assert "database:" in text
        assert SECRET not in text
