"""Lists of tickets at a steady rate, each asked for when it is due, however long those before it take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

CONNECTIONS = 64


def measure(url: str, paths: Sequence[str], rate: float, seconds: float) -> dict[str, Any]:
    """Milliseconds from when a request was due to its last byte: median, p99, the longest; and how many failed."""
    return asyncio.run(_measure(url, paths, rate, seconds))


async def _measure(url: str, paths: Sequence[str], rate: float, seconds: float) -> dict[str, Any]:
    free: asyncio.Queue[Line] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await Line.open(url))
    for path in paths:
        assert await _ask(free, path, 0.0) is not None, f"{path} cannot be had"
    began = time.perf_counter()
    asked = [
        asyncio.create_task(_ask(free, paths[i % len(paths)], began + i / rate))
        for i in range(int(rate * seconds))
    ]
    taken = await asyncio.gather(*asked)
    return summary([t for t in taken if t is not None], len(taken), time.perf_counter() - began)


async def _ask(free: asyncio.Queue[Line], path: str, due: float) -> float | None:
    await asyncio.sleep(due - time.perf_counter())
    line = await free.get()
    try:
        status = await line.get(path)
    finally:
        free.put_nowait(line)
    return time.perf_counter() - due if status == 200 else None


@dataclass(frozen=True)
class Line:
    """A connection that says no more HTTP than it must: httpx takes as long to ask as the service to answer, and it
    is on the same two processors.
    """

    _host: str
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, url: str) -> Line:
        """One to the service at this address."""
        at = urlsplit(url)
        return cls(at.netloc, *await asyncio.open_connection(at.hostname, at.port))

    async def get(self, path: str) -> int:
        """Ask, and read the answer to its end; its status."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: */*\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(length)
        return int(head.split(maxsplit=2)[1])


def summary(taken: list[float], asked: int, seconds: float) -> dict[str, Any]:
    """Of seconds that requests took."""
    ordered = sorted(taken)
    return {
        "requests": asked,
        "failed": asked - len(taken),
        "per_second": round(len(taken) / seconds, 1),
        "median_ms": _milliseconds(ordered, 0.5),
        "p99_ms": _milliseconds(ordered, 0.99),
        "longest_ms": _milliseconds(ordered, 1.0),
    }


def _milliseconds(ordered: list[float], share: float) -> float:
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
