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


class Pool(Answer):
    """A worker with its slots, and what it offers to jobs; memory in MiB, 0 where it is not known."""

    name: str
    """host and process"""
    slots: int
    """jobs that it does at a time"""
    held: int
    """slots that have a job, of whatever project"""
    gpus: int
    gpu_memory_mib: int
    """of each GPU"""
    memory_mib: int
    """of the machine, for what is computed on its CPU"""
    takes: list[str]
    """the jobs that it takes, by the device they ask for"""
    drained: bool
    """it takes no more jobs"""
    live: bool
    """it was heard of within 40 seconds"""
    started_at: datetime
    seen_at: datetime


class Demand(Answer):
    """The jobs of one need."""

    need: str
    """devices that such a job takes, and memory in MiB: any, cpu, gpu, gpus-4, gpu+2048m"""
    queue: str
    """the broker's queue of their announcements"""
    devices: int
    queued: int
    running: int
    oldest_seconds: float | None = None
    """since when the oldest queued was asked for"""
    workers: int
    """that take jobs and could hold one; where there is none, it waits for one"""


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
    pools: list[Pool]
    """the installation's workers, those that wait for work included; shown to the default project alone"""
    demand: list[Demand]
    """queued and running jobs by what they need"""
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
