"""Requests for jobs, written together: what comes in while others are being written waits for the next transaction."""

from __future__ import annotations

import asyncio

from fastapi.concurrency import run_in_threadpool

from api.jobs.queueing import Answer, Wanted, submit_all
from core.settings import Settings

MOST = 64
"""Requests that are written together: a tenth of a second, in which nobody else can write to SQLite."""

Waiting = tuple[Wanted, asyncio.Future[Answer]]


class Batches:
    """One transaction after the other, each of all requests of a project that have come in meanwhile.

    By itself a request waits for nothing. Of many at once most of the time would be spent on beginning transactions,
    and on having the disk keep them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting: list[Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def submit(self, asked: Wanted) -> Answer:
        """What answers a request for a job; raises what `submit` raises."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await answer

    async def _write(self) -> None:
        try:
            while batch := self._next():
                await self._answer(batch)
        finally:
            self._writing = None

    async def _answer(self, batch: list[Waiting]) -> None:
        try:
            answers = await run_in_threadpool(submit_all, self._settings, [asked for asked, _ in batch])
        except BaseException:
            for _, waiting in (*batch, *self._waiting):
                waiting.cancel()  # the service ends: nobody is to wait for ever
            self._waiting = []
            raise
        for (_, waiting), answer in zip(batch, answers, strict=True):
            if waiting.done():
                continue  # who asked has gone
            if isinstance(answer, Exception):
                waiting.set_exception(answer)
            else:
                waiting.set_result(answer)

    def _next(self) -> list[Waiting]:
        batch: list[Waiting] = []
        rest: list[Waiting] = []
        for one in self._waiting:
            same = not batch or one[0].database.project == batch[0][0].database.project
            (batch if same and len(batch) < MOST else rest).append(one)
        self._waiting = rest
        return batch
