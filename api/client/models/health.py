"""What routes of health answer with. Written by `make client` from the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from api.client.answer import Answer


class Held(Answer):
    """A job that a worker holds."""

    job: str
    kind: str
    state: str
    since: datetime
    silent: bool
    """its lease ran out: the worker is gone, or cannot reach the database"""


class Worker(Answer):
    """One process that takes jobs, one at a time; the counts are of attempts that ended within 24 hours."""

    name: str
    """host and process"""
    device: str | None = None
    """as its latest training tells; null where it did none within 24 hours"""
    holds: list[Held]
    """empty: it is idle or gone, which nothing here can tell apart"""
    last_seen: datetime
    """now where it holds a job, else the end of its latest attempt"""
    succeeded: int
    failed: int
    cancelled: int
    lost: int
    """ended without a result: it was killed, or fell silent"""


class Queue(Answer):
    """What is to be done."""

    queued: int
    waiting: int
    running: int
    cancelling: int
    oldest_seconds: float | None = None
    """since when the longest queued job was asked for"""


class Dispatch(Answer):
    """What the database can tell of dispatchers and their broker."""

    unannounced: int
    """queued jobs of which no worker was told yet"""
    oldest_seconds: float | None = None
    """for how long the first of them"""
    expired: int
    """leases that ran out, and that no dispatcher has ended yet"""
    announced_at: datetime | None = None
    """when the newest announced job was"""
    late: bool
    """announcements wait: no dispatcher runs, or it cannot reach its broker"""


class Hour(Answer):
    """The jobs that ended in one hour."""

    start: datetime
    succeeded: int
    failed: int
    cancelled: int


class Day(Answer):
    """What attempts took of the devices on one day (UTC), those under way until now."""

    start: datetime
    device_seconds: float


class Fleet(Answer):
    """Workers, the queue and what came of it."""

    at: datetime
    workers: list[Worker]
    """those that held a job within 24 hours, those at work first; one that never did is not known"""
    queue: Queue
    dispatch: Dispatch
    hours: list[Hour]
    """24 hours, the last one under way"""
    days: list[Day]
    """7 days, the last one under way"""


class Health(Answer):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str = "0.1.0"


class Readiness(Answer):
    """Everything the API needs is there."""

    status: Literal["ready"] = "ready"
