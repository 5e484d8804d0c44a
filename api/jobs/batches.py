"""Requests for jobs, written together: what comes in while others are being written waits for the next transaction."""

from __future__ import annotations

import asyncio

from fastapi.concurrency import run_in_threadpool

from api.jobs.queueing import Answer, Wanted, submit_all
from core.settings import Settings

MOST = 64
"""Requests that are written together: a tenth of a second, in which nobody else can write to SQLite."""


class Batches:
    """One transaction after the other, each of all requests of a project that have come in meanwhile.

    By itself a request waits for nothing. Of many at once most of the time would be spent on beginning transactions,
    and on having the disk keep them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting: list[tuple[Wanted, asyncio.Future[Answer]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def submit(self, asked: Wanted) -> Answer:
        """What answers a request for a job; raises what `submit` raises."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await answer

    async def _write(self) -> None:
        while batch := self._next():
            answers = await run_in_threadpool(submit_all, self._settings, [asked for asked, _ in batch])
            for (_, waiting), answer in zip(batch, answers, strict=True):
                if waiting.done():
                    continue  # who asked has gone
                if isinstance(answer, Exception):
                    waiting.set_exception(answer)
                else:
                    waiting.set_result(answer)
        self._writing = None

    def _next(self) -> list[tuple[Wanted, asyncio.Future[Answer]]]:
        if not self._waiting:
            return []
        project = self._waiting[0][0].database.project
        batch = [one for one in self._waiting if one[0].database.project == project][:MOST]
        self._waiting = [one for one in self._waiting if one not in batch]
        return batch
