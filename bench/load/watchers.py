"""A thousand people watch one job: how long after it happened does each hear of the last of its events?"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx

from bench.load.reads import summary

JOB = {
    "architecture": "mlp_2",
    "dataset": "digits",
    "recipe": {"length": "30ep"},
    "fresh": True,
}


def measure(url: str, watchers: int) -> dict[str, Any]:
    """Seconds between the first and the last watcher that hear of the job's end, and what each was told."""
    return asyncio.run(_measure(url, watchers))


async def _measure(url: str, watchers: int) -> dict[str, Any]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=None, trust_env=False) as http:
        made = await http.post("/train", json=JOB)
        made.raise_for_status()
        path = f"/jobs/{made.json()['id']}/events"
        heard = await asyncio.gather(*(_watch(http, path) for _ in range(watchers)))
    first = min(ended for ended, _ in heard)
    return summary(
        [ended - first for ended, _ in heard], watchers, max(ended for ended, _ in heard) - first
    ) | {"events_each": sorted({events for _, events in heard})}


async def _watch(http: httpx.AsyncClient, path: str) -> tuple[float, int]:
    events = 0
    async with http.stream("GET", path) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            events += line.startswith("id:")
    return time.perf_counter(), events
