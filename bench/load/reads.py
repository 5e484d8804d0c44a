"""Lists of tickets at a steady rate, each asked for when it is due, however long those before it take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import httpx

CONNECTIONS = 64


def measure(url: str, paths: Sequence[str], rate: float, seconds: float) -> dict[str, Any]:
    """Milliseconds from when a request was due to its last byte: median, p99, the longest; and how many failed."""
    return asyncio.run(_measure(url, paths, rate, seconds))


async def _measure(url: str, paths: Sequence[str], rate: float, seconds: float) -> dict[str, Any]:
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30, trust_env=False) as http:
        for path in paths:
            (await http.get(path)).raise_for_status()
        began = time.perf_counter()
        asked = [
            asyncio.create_task(_ask(http, paths[i % len(paths)], began + i / rate))
            for i in range(int(rate * seconds))
        ]
        taken = await asyncio.gather(*asked)
    return summary([t for t in taken if t is not None], len(taken), time.perf_counter() - began)


async def _ask(http: httpx.AsyncClient, path: str, due: float) -> float | None:
    await asyncio.sleep(due - time.perf_counter())
    try:
        (await http.get(path)).raise_for_status()
    except httpx.HTTPError:
        return None
    return time.perf_counter() - due


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
