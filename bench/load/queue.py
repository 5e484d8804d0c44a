"""Ten thousand jobs of random priorities at once: how fast are they accepted, and are they taken in order?"""

from __future__ import annotations

import asyncio
import random
import time
from heapq import heappop, heappush
from math import inf
from typing import Any

import httpx
from sqlalchemy import select

from core.catalog.database import Database
from core.catalog.tables import Job

CONNECTIONS = 16
UNSEEN_SECONDS = 0.1


def submit(url: str, number: int) -> dict[str, Any]:
    """Ask for so many trainings, each another; seconds until the last was accepted."""
    return asyncio.run(_submit(url, number))


async def _submit(url: str, number: int) -> dict[str, Any]:
    draw = random.Random(0)
    wanted = [(seed, draw.randrange(-5, 6)) for seed in range(number)]
    queue = iter(wanted)
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False) as http:
        began = time.perf_counter()

        async def submitter() -> None:
            for seed, priority in queue:
                body = {
                    "architecture": "mlp_1",
                    "dataset": "digits",
                    "seeds": [seed],
                    "recipe": {"length": "1it"},
                }
                (await http.post(f"/train?priority={priority}", json=body)).raise_for_status()

        await asyncio.gather(*(submitter() for _ in range(CONNECTIONS)))
        seconds = time.perf_counter() - began
    return {"accepted": number, "seconds": round(seconds, 1), "per_second": round(number / seconds)}


def order(database: Database) -> dict[str, Any]:
    """Of the jobs that were taken: how many while another stood before them in the queue.

    A job stands before another if its priority is higher, or the same and it is older. One that was accepted less
    than `UNSEEN_SECONDS` before the claim may not have been seen by it.
    """
    with database.read() as session:
        rows = session.execute(select(Job.priority, Job.created_at, Job.started_at)).all()
    claims = sorted((row for row in rows if row.started_at is not None), key=lambda row: row.started_at)
    arriving = sorted(rows, key=lambda row: row.created_at)
    queue: list[tuple[int, float, float]] = []
    overtaken = seen = 0
    for claim in claims:
        while seen < len(arriving) and arriving[seen].created_at < claim.started_at - UNSEEN_SECONDS:
            row = arriving[seen]
            heappush(queue, (-row.priority, row.created_at, row.started_at or inf))
            seen += 1
        while queue and queue[0][2] <= claim.started_at:
            heappop(queue)
        overtaken += bool(queue) and queue[0][:2] < (-claim.priority, claim.created_at)
    return {"taken": len(claims), "out_of_order": overtaken}
