"""A ticket of a gigabyte, up and down, past the API and through it: what memory and time does the API take?"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from api.client import Client
from api.client.models.jobs import Job
from bench.load.service import Service, free_port, running

BUCKET = "elasticket"
START_SECONDS = 60.0


def measure(home: Path, file: Path) -> dict[str, Any]:
    """Both ways, each on an installation of its own; the bucket's server is moto's, in a process of its own."""
    with _object_store() as endpoint:
        environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
        }
        os.environ |= environment
        import boto3

        boto3.session.Session().client("s3", region_name="us-east-1").create_bucket(Bucket=BUCKET)
        found = {}
        for name, seconds in (("presigned", "900"), ("through_the_api", "0")):
            settings = {"ARTIFACTS": f"s3://{BUCKET}/{name}", "PRESIGNED_SECONDS": seconds, "SLOTS": "1"}
            with running(home / name, **settings) as service:
                found[name] = _both_ways(service, file, home / "down")
        return found


def _both_ways(service: Service, file: Path, target: Path) -> dict[str, Any]:
    size = file.stat().st_size
    with Client(service.url, patience=600, timeout=600) as client:
        client.get(dict, "/readyz")
        with _watched(service) as up:
            made = client.push(file)
        if isinstance(made, Job):
            while made.finished_at is None:
                time.sleep(0.2)
                made = client.job(made.id)
            ticket = made.outputs.tickets[0] if made.outputs else ""
        else:
            ticket = made.id
        with _watched(service) as down:
            client.pull(ticket, target)
    assert target.stat().st_size == size
    target.unlink()
    return {"gigabytes": round(size / 1e9, 2), "up": up, "down": down}


@contextmanager
def _watched(service: Service) -> Iterator[dict[str, float]]:
    """What the API takes while the block runs: how much more memory than before, at most, and processor seconds."""
    found: dict[str, float] = {}
    before, done = service.memory(), threading.Event()
    most = [before]

    def watch() -> None:
        while not done.wait(0.05):
            most.append(service.memory())

    watcher = threading.Thread(target=watch)
    used, began = _cpu(service), time.perf_counter()
    watcher.start()
    yield found
    found["seconds"] = round(time.perf_counter() - began, 2)
    found["api_cpu_seconds"] = round(_cpu(service) - used, 2)
    done.set()
    watcher.join()
    found["api_memory_before_mb"] = round(before / 1e6)
    found["api_memory_most_mb"] = round(max(most) / 1e6)


def _cpu(service: Service) -> float:
    return sum(sum(child.cpu_times()[:2]) for child in service.api())


@contextmanager
def _object_store() -> Iterator[str]:
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + START_SECONDS
            while time.monotonic() < deadline:
                with suppress(httpx.TransportError):
                    httpx.get(endpoint, trust_env=False)
                    break
                time.sleep(0.1)
            yield endpoint
        finally:
            server.terminate()
