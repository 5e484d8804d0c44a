"""Tickets of a gigabyte, one after another: what memory does the API take meanwhile?"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from bench.load.service import Service

BLOCK = 1 << 20


def measure(service: Service, file: Path, times: int) -> dict[str, Any]:
    """Send the file so many times, each with another tag; bytes a second, and the API's largest memory."""
    most, done = [service.memory()], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            most.append(service.memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    with httpx.Client(base_url=service.url, timeout=600, trust_env=False) as http:
        for _ in range(times):
            answer = http.post("/tickets", content=_blocks(file))
            assert answer.status_code in (200, 201), answer.text
    seconds = time.perf_counter() - began
    done.set()
    watcher.join()
    sent = times * file.stat().st_size
    return {
        "gigabytes": round(sent / 1e9, 2),
        "megabytes_per_second": round(sent / 1e6 / seconds),
        "memory_before_mb": round(most[0] / 1e6),
        "memory_most_mb": round(max(most) / 1e6),
    }


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while block := source.read(BLOCK):
            yield block
